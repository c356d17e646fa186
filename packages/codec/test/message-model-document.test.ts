/** `docs/message-model.md` and the table of reserved headers say the same, in both directions. */
import { readFileSync } from 'node:fs'
import { messageModelProtocols, reservedHeaders } from '../src/message-model.ts'

const document = readFileSync(new URL('../../../docs/message-model.md', import.meta.url), 'utf8')

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''))

const table = document.split('\n').filter((line) => line.startsWith('|'))

describe('docs/message-model.md', () => {
  it('has one column a protocol', () => {
    expect(cellsOf(table[0] ?? '')).toEqual([
      'header',
      'encoding',
      'meaning',
      ...messageModelProtocols,
    ])
  })

  it('has one row for each reserved header, saying the same, and no other', () => {
    expect(table.slice(2).map(cellsOf)).toEqual(
      Object.values(reservedHeaders).map((header) => [
        header.name,
        header.encoding,
        header.meaning,
        ...messageModelProtocols.map((protocol) => header[protocol]),
      ]),
    )
  })
})
