/**
 * A disk that is really full: a small tmpfs as the data directory. Appends are refused by name and may
 * be tried again; reads and deletes go on; nothing acknowledged is lost, also not by `kill -9` in this
 * state; and when space is there again appends are taken without a restart.
 *
 * The alarm that slows publishers down before it comes to this is off; `limits.test.ts` has it.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { type Client, connect } from '@millrace/client-node'
import { launchBroker, type LaunchedBroker } from './support/broker.ts'
import { report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { get } from './support/http.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const VALUE_BYTES = 64 * 1024
const RECORDS_MAX = 20_000

jest.setTimeout(120_000)

const configuration = `
storage:
  journalFileBytes: 2MiB
  checkpointBytes: 4MiB
  ballastBytes: 4MiB
  unflushedBytes: 4MiB
  deleteGrace: 0s
topics: { segmentBytes: 4MiB, batchBytes: 1MiB }
alarms: { diskFreeBytes: 0 }
`

let scratch: Scratch
let mountPoint: string
let filler: string
let args: readonly string[]
let broker: LaunchedBroker
let client: Client
const acknowledged: string[] = []

const mount = (): void => {
  const { status, stderr } = spawnSync(
    'mount',
    ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'millrace-test', mountPoint],
    { encoding: 'utf8' },
  )
  if (status === 0) return
  throw new Error(
    `a tmpfs cannot be mounted: run this test as root, with the right to mount: ${stderr}`,
  )
}

const start = async (): Promise<void> => {
  broker = await launchBroker({ dataDir: `${mountPoint}/data`, args })
  client = await connect(broker.url)
}

beforeAll(async () => {
  scratch = createScratch('full-disk')
  mountPoint = scratch.next('mount')
  mkdirSync(mountPoint)
  mount()
  filler = `${mountPoint}/filler`
  writeFileSync(filler, Buffer.alloc(16 * 1024 * 1024, 'x'))
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  args = ['--config', file]
  await start()
  await client.admin.createTopic('filling', { partitions: 1 })
  await client.admin.createTopic('other', { partitions: 1 })
})

afterAll(async () => {
  await client?.close()
  await broker?.kill()
  spawnSync('umount', [mountPoint])
  scratch?.remove()
})

const valueOf = (name: string): string => name.padEnd(VALUE_BYTES, '.')

/** Sends one record once: no second attempt behind the test's back. */
const sendOnce = async (topic: string, name: string): Promise<void> => {
  const producer = client.producer<string>(topic, {
    codec: 'string',
    deliveryTimeoutMs: 1,
    idempotent: false,
  })
  await producer.send(valueOf(name))
  await producer.close()
  if (topic === 'filling') acknowledged.push(name)
}

const codeOf = async (sending: Promise<void>): Promise<unknown> => {
  try {
    await sending
    return undefined
  } catch (error) {
    const { code, retriable } = error as { code?: string; retriable?: boolean }
    return { code, retriable }
  }
}

const FULL = { code: 'ERR_STORAGE_FULL', retriable: true }

const fillUp = async (): Promise<void> => {
  for (let count = acknowledged.length; count < RECORDS_MAX; count++) {
    const refusal = await codeOf(sendOnce('filling', `record ${count}`))
    if (refusal === undefined) continue
    expect(refusal).toEqual(FULL)
    return
  }
  throw new Error(`the disk took ${RECORDS_MAX} records and is not full`)
}

const expectAllThere = async (): Promise<void> => {
  const names: string[] = []
  const consumer = client.consume<string>('filling', { codec: 'string', follow: false })
  for await (const { payload } of consumer) names.push(String(payload).replace(/\.+$/, ''))
  expect(names).toEqual(acknowledged)
}

/** It may still find room for one here and there, until the ballast is gone for good. */
const expectRefusal = (): Promise<unknown> =>
  eventually('an append is refused', async () => {
    const name = `late ${acknowledged.length}`
    const refusal = await codeOf(sendOnce('filling', name))
    if (refusal !== undefined) expect(refusal).toEqual(FULL)
    return refusal !== undefined
  })

test('appends are refused as retriable when the disk is full, and the broker says so', async () => {
  await sendOnce('other', 'kept')
  await fillUp()
  report(`full after ${acknowledged.length} records of ${VALUE_BYTES} bytes`)
  expect(acknowledged.length).toBeGreaterThan(50)
  const ready = await get(broker.httpPort, '/readyz?verbose')
  expect(ready.status).toBe(503)
  expect(JSON.parse(ready.body)).toMatchObject({
    status: 'not ready',
    checks: { serving: { ok: true }, storage: { ok: false, isFull: true } },
  })
  expect((await get(broker.httpPort, '/livez')).status).toBe(200)
})

test('reads go on while the disk is full', async () => {
  await expectAllThere()
  expect(await client.admin.listTopics()).toHaveLength(2)
})

test('a kill -9 in this state loses nothing, and the broker starts on the full disk', async () => {
  await expectRefusal()
  await broker.kill()
  await client.close()
  await start()
  await expectAllThere()
  await expectRefusal()
  await expectAllThere()
})

test('a topic can be deleted while the disk is full', async () => {
  await expectRefusal()
  await client.admin.deleteTopic('other')
  expect((await client.admin.listTopics()).map(({ topic }) => topic)).toEqual(['filling'])
})

test('appends are taken again when there is space, without a restart', async () => {
  rmSync(filler)
  await eventually('the broker is ready', async () => {
    return (await get(broker.httpPort, '/readyz')).status === 200
  })
  for (let count = 0; count < 50; count++) await sendOnce('filling', `again ${count}`)
  await expectAllThere()
  await client.close()
  const ending = await broker.stop()
  expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
  await start()
  await expectAllThere()
})
