/** Standard output: tables, JSON, and streams of bytes that wait when nobody reads. */

export type OutputForm = 'table' | 'json' | 'jsonl'

export interface TableRow {
  readonly [column: string]: string | number
}

/** Columns as wide as their widest cell; numbers to the right. */
export const formatTable = (rows: readonly TableRow[], columns: readonly string[]): string => {
  const cells = rows.map((row) => columns.map((column) => String(row[column] ?? '')))
  const widths = columns.map((column, at) =>
    Math.max(column.length, ...cells.map((line) => (line[at] as string).length)),
  )
  const isNumeric = columns.map((column) => rows.every((row) => typeof row[column] === 'number'))
  const align = (text: string, at: number): string =>
    isNumeric[at] === true ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)
  const lines = [columns.map((column) => column.toUpperCase()), ...cells]
  return lines.map((line) => `${line.map(align).join('  ').trimEnd()}\n`).join('')
}

export const formatJson = (content: unknown): string => `${JSON.stringify(content, null, 2)}\n`

export const formatJsonLines = (contents: readonly unknown[]): string =>
  contents.map((content) => `${JSON.stringify(content)}\n`).join('')

/** Resolves when standard output wants more. */
export const writeOut = (bytes: Uint8Array | string): Promise<void> | undefined => {
  if (process.stdout.write(bytes)) return undefined
  return new Promise((resolve) => process.stdout.once('drain', () => resolve()))
}
