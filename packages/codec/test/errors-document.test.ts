/** `docs/errors.md` and the error table say the same, in both directions. */
import { readFileSync } from 'node:fs'
import { errorTable } from '../src/errors.ts'

const document = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

const plain = (cell: string): string => cell.trim().replaceAll('`', '')

const rows = document
  .split('\n')
  .filter((line) => line.startsWith('| `ERR_'))
  .map((line) => line.split('|').slice(1, -1).map(plain))

const stated = rows.map(([code, wire, scope, retriable, template]) => ({
  code,
  wire,
  scope,
  retriable,
  template,
}))

const defined = Object.entries(errorTable).map(([code, entry]) => ({
  code,
  wire: `0x${entry.wire.toString(16).padStart(4, '0')}`,
  scope: entry.scope,
  retriable: entry.retriable ? 'yes' : 'no',
  template: entry.template,
}))

describe('docs/errors.md', () => {
  it('has one row for each error of the table, saying the same, and no other', () => {
    expect(stated).toEqual(defined)
  })

  it('tells for each error what to do', () => {
    for (const [code, , , , , advice = ''] of rows) {
      expect([code, advice.length > 10]).toEqual([code, true])
    }
  })

  it('puts each error under the heading of its range', () => {
    const ranges = document.split('\n## ').slice(1)
    for (const range of ranges) {
      const numbers = [...range.matchAll(/`0x(..)..`/g)].map((match) => match[1])
      expect(new Set(numbers).size).toBe(1)
    }
    expect(ranges.length).toBe(new Set(defined.map((row) => row.wire.slice(0, 4))).size)
  })
})
