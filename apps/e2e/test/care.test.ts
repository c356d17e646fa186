/**
 * Backups of a broker at work, restored and compared record by record; the doctor on directories with
 * and without damage; a death in the middle of a backup.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Client, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker, millrace } from './support/broker.ts'
import { byDepth } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

jest.setTimeout(byDepth(180_000, 600_000))

/** Small files, so that segments are sealed and journal files used again. */
const configuration = [
  'topics: { segmentBytes: 1MiB, batchBytes: 256KiB }',
  'storage: { journalFileBytes: 4MiB, checkpointBytes: 8MiB, unflushedBytes: 8MiB }',
].join('\n')

let scratch: Scratch
let args: readonly string[]

beforeAll(() => {
  scratch = createScratch('care')
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  args = ['--config', file]
})

const launched: LaunchedBroker[] = []

/** One that a failed test leaves behind does not outlive it. */
const launch = async (dataDir: string): Promise<LaunchedBroker> => {
  const broker = await launchBroker({ dataDir, args })
  launched.push(broker)
  return broker
}

afterEach(async () => {
  for (const broker of launched.splice(0)) await broker.kill()
})

afterAll(() => scratch.remove())

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (...command: readonly string[]): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [millrace, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...output }))
  })

const succeed = async (...command: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...command)
  if (code !== 0) throw new Error(`millrace ${command.join(' ')} ended with ${code}: ${stderr}`)
  return stdout.trim()
}

const doctor = async (directory: string): Promise<{ code: number | null; files: string[] }> => {
  const { code, stdout, stderr } = await run('doctor', '--data-dir', directory, '--output', 'json')
  if (code === 2) throw new Error(stderr)
  const { problems } = JSON.parse(stdout) as { problems: { file: string }[] }
  return { code, files: problems.map(({ file }) => file) }
}

/** Numbered records, each with filler, until it is stopped; what was acknowledged in order. */
class Load {
  acknowledged = 0
  readonly #client: Client
  readonly #topic: string
  #isOn = true
  readonly #running: Promise<void>

  constructor(client: Client, topic: string) {
    this.#client = client
    this.#topic = topic
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    const producer = this.#client.producer<string>(this.#topic, { codec: 'string' })
    const outstanding = new Set<Promise<void>>()
    for (let index = 0; this.#isOn; index++) {
      const value = `${index} ${'.'.repeat(randomInt(50, 4_000))}`
      const sent = producer.send({ value }).then(({ offset }) => {
        if (offset !== index) throw new Error(`record ${index} has offset ${offset}`)
        this.acknowledged = Math.max(this.acknowledged, index + 1)
        outstanding.delete(sent)
      })
      outstanding.add(sent)
      if (outstanding.size > 200) await sent
    }
    await Promise.all(outstanding)
    await producer.close()
  }

  stop(): Promise<void> {
    this.#isOn = false
    return this.#running
  }
}

/** Reads all of a topic and holds each record against its offset; their number. */
const readAll = async (url: string, topic: string): Promise<number> => {
  const client = await connect(url)
  let count = 0
  const consumer = client.consume<string>(topic, { from: 'start', follow: false, codec: 'string' })
  for await (const { offset, payload } of consumer) {
    const number = Number(String(payload).split(' ')[0])
    if (offset !== count || number !== count) throw new Error(`${number} is at offset ${offset}`)
    count++
  }
  await client.close()
  return count
}

const segmentsOf = (dataDir: string, logId: number, ending = '.log'): string[] =>
  readdirSync(join(dataDir, 'logs', String(logId)))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(dataDir, 'logs', String(logId), name))

const flipByte = (path: string, at: number): void => {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  writeFileSync(path, bytes)
}

const launchWithLoad = async (
  dataDir: string,
): Promise<{ broker: LaunchedBroker; client: Client; loads: Load[] }> => {
  const broker = await launch(dataDir)
  const client = await connect(broker.url)
  for (const topic of ['a', 'b']) await client.admin.createTopic(topic)
  const loads = ['a', 'b'].map((topic) => new Load(client, topic))
  await eventually('records are stored', () =>
    Promise.resolve(loads.every(({ acknowledged }) => acknowledged > 3_000) || undefined),
  )
  return { broker, client, loads }
}

it('restores from a backup taken under load all that was acknowledged before it', async () => {
  const dataDir = scratch.next('data')
  const { broker, client, loads } = await launchWithLoad(dataDir)
  const before = loads.map(({ acknowledged }) => acknowledged)
  const backup = await succeed('backup', '--url', broker.url, '--name', 'monday')
  expect(backup).toBe(join(dataDir, 'backups', 'monday'))
  await eventually('it goes on', () =>
    Promise.resolve(
      loads.every(({ acknowledged }, at) => acknowledged > (before[at] ?? 0) + 1_000) || undefined,
    ),
  )
  for (const load of loads) await load.stop()
  await client.close()
  await broker.kill()

  await succeed('backup', 'verify', backup)
  const restored = scratch.next('restored')
  expect(await succeed('restore', '--from', backup, '--data-dir', restored)).toBe(restored)
  const again = await launch(restored)
  for (const [at, topic] of ['a', 'b'].entries()) {
    const count = await readAll(again.url, topic)
    expect(count).toBeGreaterThanOrEqual(before[at] ?? 0)
    expect(count).toBeLessThanOrEqual(loads[at]?.acknowledged ?? 0)
  }
  await succeed('doctor', '--url', again.url)
  await again.stop()
  expect(await doctor(restored)).toEqual({ code: 0, files: [] })

  expect(await doctor(dataDir)).toEqual({ code: 0, files: [] })
  const original = await launch(dataDir)
  for (const [at, topic] of ['a', 'b'].entries())
    expect(await readAll(original.url, topic)).toBe(loads[at]?.acknowledged)
  await original.stop()
  const second = await run('restore', '--from', backup, '--data-dir', restored)
  expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining('not empty') as string })
})

it('finds just the files that somebody changed, and the broker serves the rest', async () => {
  const dataDir = scratch.next('data')
  const { broker, client, loads } = await launchWithLoad(dataDir)
  for (const load of loads) await load.stop()
  await client.close()
  const busy = await run('doctor', '--data-dir', dataDir)
  expect(busy).toMatchObject({ code: 2, stderr: expect.stringContaining('in use') as string })
  await broker.stop()
  expect(await doctor(dataDir)).toEqual({ code: 0, files: [] })

  const [first] = segmentsOf(dataDir, 1)
  const indexes = segmentsOf(dataDir, 2, '.index')
  expect(first).toBeDefined()
  expect(indexes.length).toBeGreaterThan(0)
  flipByte(first ?? '', 5_000)
  flipByte(indexes[0] ?? '', 40)
  flipByte(join(dataDir, 'metadata.snapshot'), 30)
  const { code, files } = await doctor(dataDir)
  expect(code).toBe(1)
  expect([...new Set(files)].sort()).toEqual(
    [
      'metadata.snapshot',
      `logs/1/${basename(first ?? '')}`,
      `logs/2/${basename(indexes[0] ?? '')}`,
    ].sort(),
  )

  const damaged = await launch(dataDir)
  expect(await readAll(damaged.url, 'b')).toBe(loads[1]?.acknowledged)
  const online = await run('doctor', '--url', damaged.url, '--output', 'json')
  expect(online.code).toBe(1)
  const { ranges } = JSON.parse(online.stdout) as { ranges: { log: string; to: number }[] }
  expect(ranges).toHaveLength(1)
  expect(ranges[0]?.log).toBe('a/0')
  const reader = await connect(damaged.url)
  const consumer = reader.consume<string>('a', {
    from: ranges[0]?.to ?? 0,
    follow: false,
    codec: 'string',
  })
  let count = 0
  for await (const { offset, payload } of consumer) {
    expect(Number(String(payload).split(' ')[0])).toBe(offset)
    count++
  }
  expect(count).toBe((loads[0]?.acknowledged ?? 0) - (ranges[0]?.to ?? 0))
  await reader.close()
  await damaged.stop()
})

it('keeps the directory well when it is killed in the middle of a backup', async () => {
  const dataDir = scratch.next('data')
  const { broker, client, loads } = await launchWithLoad(dataDir)
  for (const load of loads) await load.stop()
  await client.close()
  await broker.stop()
  for (let round = 0; round < byDepth(4, 20); round++) {
    const victim = await launch(dataDir)
    const backup = run('backup', '--url', victim.url, '--name', `round-${round}`)
    await eventually('the backup has begun', () => {
      const names = readdirSync(dataDir).includes('backups')
        ? readdirSync(join(dataDir, 'backups'))
        : []
      return Promise.resolve(names.some((name) => name.startsWith(`round-${round}`)) || undefined)
    })
    await victim.kill()
    await backup
    expect(await doctor(dataDir)).toEqual({ code: 0, files: [] })
  }
  const last = await launch(dataDir)
  for (const [at, topic] of ['a', 'b'].entries())
    expect(await readAll(last.url, topic)).toBe(loads[at]?.acknowledged)
  await succeed('backup', '--url', last.url, '--name', 'whole')
  await last.stop()
  await succeed('backup', 'verify', join(dataDir, 'backups', 'whole'))
  const copy = scratch.next('copy')
  await succeed('backup', '--data-dir', dataDir, '--to', copy)
  await succeed('backup', 'verify', copy)
})
