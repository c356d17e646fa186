/**
 * The effective configuration: flags over environment over file over defaults, each value with where
 * it came from. Unknown keys are refused with the closest known one. Nothing below the composition
 * root reads any of its sources.
 */
import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'
import {
  type ConfigKey,
  configPaths,
  configTable,
  type ConfigPath,
  type ConfigValue,
  type ConfigValues,
  environmentNameOf,
  isConfigPath,
} from './config-table.ts'
import { parseConfigValue } from './config-values.ts'
import { suggest } from './suggestion.ts'

export interface Setting {
  readonly value: ConfigValue
  /** `default`, `file:line:column`, the name of the variable, or the flag. */
  readonly source: string
}

export interface Config {
  readonly values: ConfigValues
  readonly settings: ReadonlyMap<ConfigPath, Setting>
}

/** A value from the command line: `--native-port` for `native.port`. */
export interface FlagValue {
  readonly path: ConfigPath
  readonly flag: string
  readonly value: string
}

export interface ConfigSources {
  readonly file?: string | undefined
  readonly flags?: readonly FlagValue[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Defaults of the command, such as topics on first use in `millrace dev`. */
  readonly defaults?: Partial<ConfigValues>
}

const keyOf = (path: ConfigPath): ConfigKey => configTable[path]

/** Reads and checks everything; throws one `ConfigError` with all that is wrong. */
export const loadConfig = async (sources: ConfigSources): Promise<Config> => {
  const settings = new Map<ConfigPath, Setting>()
  const problems: string[] = []
  for (const path of configPaths) {
    const value = sources.defaults?.[path] ?? keyOf(path).default
    settings.set(path, { value, source: 'default' })
  }
  const put = (path: string, raw: unknown, source: string): void =>
    putValue(settings, problems, path, raw, source)
  if (sources.file !== undefined) await readFileInto(put, sources.file, sources.environment)
  readEnvironmentInto(put, sources.environment)
  for (const { path, flag, value } of sources.flags ?? []) put(path, value, flag)
  if (problems.length > 0) throw new ConfigError(problems)
  return { values: valuesOf(settings), settings }
}

type Put = (path: string, raw: unknown, source: string) => void

const putValue = (
  settings: Map<ConfigPath, Setting>,
  problems: string[],
  path: string,
  raw: unknown,
  source: string,
): void => {
  if (!isConfigPath(path)) {
    problems.push(`${source}: unknown setting '${path}'${didYouMean(path)}`)
    return
  }
  const parsed = parseConfigValue(keyOf(path), raw)
  if (parsed.ok) settings.set(path, { value: parsed.value, source })
  else problems.push(`${source}: '${path}' is ${describe(raw)}: expected ${parsed.expected}`)
}

const didYouMean = (path: string): string => {
  const close = suggest(path, configPaths)
  return close === undefined ? ' (`millrace config show` lists all)' : `: did you mean '${close}'?`
}

const describe = (raw: unknown): string => (raw === null ? 'empty' : JSON.stringify(raw))

const readFileInto = async (
  put: Put,
  file: string,
  environment: ConfigSources['environment'],
): Promise<void> => {
  const text = readText(file)
  // Loaded only when there is a file: a start without one does not pay for it.
  const { parseConfigFile } = await import('./config-file.ts')
  for (const { path, value, where } of parseConfigFile(file, text, environment)) {
    put(path, value, where)
  }
}

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as { code?: string }
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code ?? '?'})`
    throw new ConfigError([`${file}: ${why}: check --config`])
  }
}

/**
 * Only names with `__` can be a slip of a setting. Others with the prefix belong to other things:
 * `MILLRACE_URL` is the command's, and container platforms make `MILLRACE_PORT_7420_TCP` and the like.
 */
const readEnvironmentInto = (put: Put, environment: ConfigSources['environment']): void => {
  const pathsByName = new Map(configPaths.map((path) => [environmentNameOf(path), path]))
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || !name.startsWith('MILLRACE_')) continue
    const path = pathsByName.get(name)
    if (path !== undefined) put(path, value, name)
    else if (name.includes('__')) put(pathOfName(name), value, name)
  }
}

/** The path a variable's name stands for, for the error text. */
const pathOfName = (name: string): string =>
  name
    .slice('MILLRACE_'.length)
    .toLowerCase()
    .split('__')
    .map((part) => part.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()))
    .join('.')

const valuesOf = (settings: ReadonlyMap<ConfigPath, Setting>): ConfigValues =>
  Object.fromEntries(
    [...settings].map(([path, { value }]) => [path, value]),
  ) as unknown as ConfigValues
