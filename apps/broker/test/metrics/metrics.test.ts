import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Opcode } from '@millrace/protocol'
import { shared } from '../../src/metrics/metrics-routes.ts'
import { metricTable } from '../../src/metrics/metric-table.ts'
import { objectTable } from '../../src/metrics/per-object-page.ts'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { startRealServer } from '../support/real-server.ts'

let fake: FakeServer

beforeEach(async () => {
  fake = await startFakeServer()
})

afterEach(() => fake.stop())

const scrape = async (port: number, path = '/metrics'): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return response.text()
}

/** Every line is a comment or a sample; every sample has its type before it. */
const namesOf = (page: string): string[] => {
  const names: string[] = []
  for (const line of page.split('\n').filter((text) => text !== '')) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line)
    if (type !== null) names.push(type[1] as string)
    if (line.startsWith('#')) continue
    const sample = /^(\w+?)(_bucket|_sum|_count)?(\{[^}]*\})? (\S+)$/.exec(line)
    expect([line, sample !== null]).toEqual([line, true])
    const isKnown = [sample?.[1], `${sample?.[1]}${sample?.[2]}`].includes(names.at(-1))
    expect([line, isKnown]).toEqual([line, true])
    expect(Number.isFinite(Number(sample?.[4]))).toBe(true)
  }
  return names
}

it('serves every metric of the table, and none besides', async () => {
  expect(namesOf(await scrape(fake.httpPort))).toEqual(metricTable.map(({ name }) => name))
  expect(namesOf(await scrape(fake.httpPort, '/metrics/per-object'))).toEqual(
    objectTable.map(({ name }) => name),
  )
})

it('names metrics by the conventions', () => {
  const names = [...metricTable, ...objectTable].map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const { name, kind } of [...metricTable, ...objectTable]) {
    expect(name).toMatch(/^(millrace|process|nodejs)_[a-z_]+$/)
    expect([name, name.endsWith('_total')]).toEqual([name, kind === 'counter'])
  }
})

it('shares one scrape among those who ask while it is made', async () => {
  const made: ((page: string) => void)[] = []
  const route = shared(() => new Promise((resolve) => made.push(resolve)))
  const answers = [route(), route(), route()]
  made[0]?.('first')
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['first', 'first', 'first'])
  const next = route()
  made[1]?.('second')
  expect((await next).body).toBe('second')
  expect(made.length).toBe(2)
})

it('makes a page again after one that failed', async () => {
  let count = 0
  const route = shared(() =>
    count++ === 0 ? Promise.reject(new Error('no')) : Promise.resolve(''),
  )
  await expect(route()).rejects.toThrow('no')
  expect((await route()).status).toBe(200)
})

it('counts connections, records and errors by protocol and code', async () => {
  const real = await startRealServer()
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('t')
  peer.produce(handle, 'x')
  await peer.take(Opcode.PRODUCED)
  peer.produce(handle + 1, 'x')
  await peer.takeError()
  const page = await scrape(real.httpPort)
  expect(page).toContain('millrace_connections{protocol="native"} 1\n')
  expect(page).toContain('millrace_messages_received_total{protocol="native"} 1\n')
  expect(page).toContain('millrace_append_requests_total{protocol="native"} 1\n')
  expect(page).toContain('millrace_errors_total{code="ERR_STALE_HANDLE"} 1\n')
  expect(page).toMatch(/^millrace_fsync_duration_seconds_count [1-9]/m)
  expect(page).toMatch(/^process_resident_memory_bytes [1-9]\d{6,}$/m)
  expect(page).toMatch(/^process_open_fds [1-9]/m)
  const objects = await scrape(real.httpPort, '/metrics/per-object')
  expect(objects).toContain('millrace_topic_next_offset{namespace="/",topic="t",partition="0"} 1\n')
  peer.close()
  await real.stop()
})

describe('docs/operations.md', () => {
  const document = readFileSync(join(__dirname, '../../../../docs/operations.md'), 'utf8')
  const rows = [
    ...document.matchAll(/^\| `((?:millrace|process|nodejs)_\w+)`\s*\| (\w+)\s*\| (.*?)\s*\|$/gm),
  ]

  it('lists every metric with its kind and meaning, and nothing else', () => {
    const documented = rows.map(([, name, kind, help]) => [name, kind, help])
    const served = [...metricTable, ...objectTable].map(({ name, kind, help }) => [
      name,
      kind,
      help,
    ])
    expect(documented).toEqual(served)
  })
})
