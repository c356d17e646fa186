/** What is wrong with a configuration: every mistake at once, each with where it stands. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Told by its name: see the rule on `instanceof` in STYLE. */
export const isConfigError = (value: unknown): value is ConfigError =>
  typeof value === 'object' && value !== null && (value as Error).name === 'ConfigError'
