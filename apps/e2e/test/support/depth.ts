/** How much the tests do: enough to find most mistakes in CI, the full counts in `npm run test:deep`. */
export const isDeep = process.env['MILLRACE_E2E_DEPTH'] === 'deep'

export const byDepth = <T>(ci: T, deep: T): T => (isDeep ? deep : ci)

/** Figures that a reader of the test's output wants to see; Jest's console would add a stack to each. */
export const report = (line: string): void => {
  process.stdout.write(`    ${line}\n`)
}
