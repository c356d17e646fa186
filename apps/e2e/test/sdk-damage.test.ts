/** A reader of the SDK meets damage on the broker's disk: it is told, and reads the rest. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import { launchBroker } from './support/broker.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const RECORDS = 600

let scratch: Scratch
let dataDir: string

beforeAll(async () => {
  scratch = createScratch('sdk-damage')
  dataDir = scratch.next('data')
  const broker = await launchBroker({ dataDir })
  const client = await connect(broker.url)
  await client.admin.createTopic('t', { partitions: 1, segmentBytes: 65_536, batchBytesMax: 8_192 })
  const producer = client.producer<string>('t', { codec: 'string' })
  for (let count = 0; count < RECORDS; count++) await producer.send(`${count} ${'x'.repeat(400)}`)
  await client.close()
  await broker.stop()
  const directory = join(dataDir, 'logs', '1')
  const [segment] = readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()
  const path = join(directory, segment as string)
  const bytes = readFileSync(path)
  bytes[20_000] = (bytes[20_000] as number) ^ 0xff
  writeFileSync(path, bytes)
})

afterAll(() => scratch.remove())

test('it goes on behind the damage and says what is missing, or stops there if it should', async () => {
  const broker = await launchBroker({ dataDir })
  const client = await connect(broker.url)
  const gaps: { from: number; to: number; code: string }[] = []
  const seen: number[] = []
  const consumer = client.consume<string>('t', { codec: 'string', from: 'start', follow: false })
  consumer.on('gap', ({ from, to, error }) => gaps.push({ from, to, code: error.code }))
  for await (const { offset, payload } of consumer) {
    expect(Number(String(payload).split(' ')[0])).toBe(offset)
    seen.push(offset)
  }
  expect(gaps).toMatchObject([{ code: 'ERR_DATA_CORRUPT' }])
  const { from, to } = gaps[0] as { from: number; to: number }
  expect(to).toBeGreaterThan(from)
  const expected = Array.from({ length: RECORDS }, (_, at) => at)
  expect(seen).toEqual(expected.filter((offset) => offset < from || offset >= to))

  const strict = client.consume<string>('t', {
    codec: 'string',
    from: 'start',
    follow: false,
    onGap: 'throw',
  })
  const before: number[] = []
  const reading = (async () => {
    for await (const { offset } of strict) before.push(offset)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'ERR_DATA_CORRUPT' })
  expect(before).toEqual(expected.slice(0, from))
  await client.close()
  await broker.stop()
})
