import { messageModelProtocols, reservedHeaders } from '../src/message-model.ts'

const rows = Object.values(reservedHeaders)

describe('the message model', () => {
  it('gives every header a name of its own', () => {
    expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length)
  })

  it('prefixes every name but those of W3C Trace Context', () => {
    const plain = rows.map((row) => row.name).filter((name) => !name.startsWith('mr-'))
    expect(plain.sort()).toEqual(['traceparent', 'tracestate'])
    for (const row of rows) expect(row.name).toMatch(/^[a-z]+(-[a-z]+)*$/)
  })

  it('fills every column of every row', () => {
    for (const row of rows) {
      for (const column of [...messageModelProtocols, 'meaning', 'encoding'] as const) {
        expect([row.name, column, row[column].length > 0]).toEqual([row.name, column, true])
      }
    }
  })
})
