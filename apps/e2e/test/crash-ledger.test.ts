/** The ledger of the kill -9 rounds must notice what it is there to notice. */
import { CrashLedger, type LedgerTopic, type ReadRecord } from './support/crash-ledger.ts'

const topic: LedgerTopic = { name: 'orders', partitions: 2, isMemory: false }
const source = {
  text: Buffer.alloc(4_096, 'line of text\n'),
  count: 300,
  start: (line: number) => line,
}

const createLedger = (): { ledger: CrashLedger; records: ReadRecord[] } => {
  const ledger = new CrashLedger(source)
  const producer = ledger.addProducer(topic, 0)
  const records = [0, 1, 2].map((offset) => {
    const sent = ledger.next(producer, 100, 'key')
    ledger.acknowledge(sent, 0, offset)
    return { partition: 0, offset, keyText: 'key', bytes: sent.value }
  })
  return { ledger, records }
}

const problemsOf = (change: (records: ReadRecord[]) => ReadRecord[]): readonly string[] => {
  const { ledger, records } = createLedger()
  ledger.verify(topic, change(records), 0)
  return ledger.problems
}

const changed = (records: ReadRecord[], change: Partial<ReadRecord>): ReadRecord[] =>
  records.map((record, index) => (index === 1 ? { ...record, ...change } : record))

test('the ledger is content when everything is there', () => {
  expect(problemsOf((records) => records)).toEqual([])
})

test('the ledger misses an acknowledged record', () => {
  const problems = problemsOf((records) => records.slice(0, 2))
  expect(problems).toEqual(['orders: 1 records are lost that were acknowledged or seen'])
})

test('the ledger bears the loss of an acknowledged record where that is the promise', () => {
  const { ledger, records } = createLedger()
  ledger.verify({ ...topic, isMemory: true }, records.slice(0, 1), 0)
  expect(ledger.problems).toEqual([])
})

test('the ledger notices a record that is there twice', () => {
  const problems = problemsOf((records) => [
    ...records,
    { ...(records[0] as ReadRecord), offset: 3 },
  ])
  expect(problems).toContain('orders 0/3: a record that was there before')
})

test('the ledger notices records out of order', () => {
  const problems = problemsOf(([a, b, c]) =>
    [b, a, c].map((record, offset) => ({ ...(record as ReadRecord), offset: offset + 10 })),
  )
  expect(problems).toContain('orders 0/11: out of the order it was sent in')
})

test('the ledger notices an offset that names two records', () => {
  const problems = problemsOf(([a, b, c]) =>
    [a, c, b].map((record, offset) => ({ ...(record as ReadRecord), offset })),
  )
  expect(problems).toContain('orders 0/1 names two records')
})

test('the ledger notices changed bytes, another key and another length', () => {
  const flip = (bytes: Uint8Array | null, at: number): Uint8Array => {
    const copy = Buffer.from(bytes as Uint8Array)
    copy[at] = (copy[at] as number) ^ 1
    return copy
  }
  const bytesOf = (change: (bytes: Uint8Array | null) => Uint8Array): readonly string[] =>
    problemsOf((records) => changed(records, { bytes: change((records[1] as ReadRecord).bytes) }))
  expect(bytesOf((bytes) => flip(bytes, 50))).toContain('orders 0/1 is unexpected: wrong checksum')
  expect(bytesOf((bytes) => flip(bytes, 3))[0]).toMatch(/never sent: producer 1/)
  expect(bytesOf((bytes) => (bytes as Uint8Array).subarray(1))[0]).toMatch(/unexpected/)
  const otherKey = problemsOf((records) => changed(records, { keyText: 'other' }))
  expect(otherKey).toContain('orders 0/1 is unexpected: key other')
})
