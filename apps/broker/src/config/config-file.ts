/**
 * The configuration file: YAML (so JSON as well) to a flat list of keys and scalars with line and
 * column. `${NAME}` and `${NAME:-otherwise}` in a value are taken from the environment.
 */
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'

export interface FileEntry {
  readonly path: string
  readonly value: unknown
  /** `file:line:column`. */
  readonly where: string
}

const FILE_DEPTH_MAX = 4

export const parseConfigFile = (
  name: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): readonly FileEntry[] => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (at: number | undefined): string => {
    const { line, col } = lines.linePos(at ?? 0)
    return `${name}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map(({ pos, message }) => `${place(pos[0])}: ${message}`))
  }
  const entries: FileEntry[] = []
  const problems: string[] = []
  const root = document.contents as Node | null
  if (root !== null && !isEmpty(root))
    collect({ entries, problems, place, environment }, '', root, 0)
  if (problems.length > 0) throw new ConfigError(problems)
  return entries
}

interface Collection {
  readonly entries: FileEntry[]
  readonly problems: string[]
  readonly place: (at: number | undefined) => string
  readonly environment: Readonly<Record<string, string | undefined>>
}

const isEmpty = (node: Node): boolean => isScalar(node) && node.value === null

const collect = (collection: Collection, path: string, node: Node, depth: number): void => {
  const { entries, problems, place } = collection
  const where = place(node.range?.[0])
  if (isScalar(node)) {
    entries.push({ path, value: expand(collection, node.value, where), where })
    return
  }
  if (!isMap(node) || depth >= FILE_DEPTH_MAX) {
    const subject = path === '' ? 'the file' : `'${path}'`
    problems.push(`${where}: ${subject} must be a map of settings`)
    return
  }
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : '?'
    const child = path === '' ? name : `${path}.${name}`
    const keyWhere = place((key as Node).range?.[0])
    if (value === null || isEmpty(value as Node))
      entries.push({ path: child, value: null, where: keyWhere })
    else collect(collection, child, value as Node, depth + 1)
  }
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

const expand = ({ problems, environment }: Collection, value: unknown, where: string): unknown => {
  if (typeof value !== 'string') return value
  return value.replace(VARIABLE, (_match, name: string, otherwise: string | undefined) => {
    const found = environment[name]
    // As in a shell, `:-` also stands in for an empty variable.
    if (found !== undefined && (found !== '' || otherwise === undefined)) return found
    if (otherwise !== undefined) return otherwise
    problems.push(
      `${where}: the environment variable ${name} is not set: set it or write \${${name}:-default}`,
    )
    return ''
  })
}
