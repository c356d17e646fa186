/** The command as people use it, against the real broker as its own process. */
import { once } from 'node:events'
import { type BrokerProcess, startBroker } from '@millrace/testing'
import {
  type CommandOptions,
  type CommandResult,
  killLeftOvers,
  resultOf,
  run,
  spawnCommand,
} from '../support/command.ts'

jest.setTimeout(30_000)

let broker: BrokerProcess

beforeAll(async () => {
  broker = await startBroker({ env: { MILLRACE_TOPICS__AUTO_CREATE: 'true' } })
})

afterAll(() => broker.stop())

const millrace = (args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> =>
  run(args, { ...options, env: { MILLRACE_URL: broker.url, ...options.env } })

const readAll = async (topic: string): Promise<string> =>
  (await millrace(['sub', topic, '--no-follow'])).stdout

afterEach(killLeftOvers)

describe('pub and sub', () => {
  it('publish one record and print it with LF', async () => {
    expect(await millrace(['pub', 'one', 'hello'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await readAll('one')).toBe('hello\n')
  })

  it('take the body from standard input, as it is', async () => {
    await millrace(['pub', 'whole'], { input: 'a\nb\n' })
    expect(await readAll('whole')).toBe('a\nb\n\n')
  })

  it('make a record of each line: one LF stripped, CR kept, empty lines records', async () => {
    const published = await millrace(['pub', 'lines', '--lines'], { input: 'a\r\n\nb\n\nlast' })
    expect(published).toEqual({ code: 0, stdout: '', stderr: '' })
    const { stdout } = await millrace(['sub', 'lines', '--no-follow', '--output', 'jsonl'])
    const payloads = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { payload: string }).payload)
    expect(payloads).toEqual(['a\r', '', 'b', '', 'last'])
  })

  it('publish nothing from an empty input', async () => {
    expect((await millrace(['pub', 'none', '--lines'], { input: '' })).code).toBe(0)
  })

  it('split key and value of each line', async () => {
    const input = 'k1:v:1\n:v2\nno separator\n'
    await millrace(['pub', 'keyed', '--lines', '--key-separator', ':'], { input })
    const { stdout } = await millrace(['sub', 'keyed', '--no-follow', '--output', 'jsonl'])
    const pairs = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { key: string | null; payload: string })
      .map(({ key, payload }) => [key, payload])
    expect(pairs).toEqual([
      ['k1', 'v:1'],
      ['', 'v2'],
      [null, 'no separator'],
    ])
  })

  it('print every field as JSON, bytes that are no text as base64', async () => {
    const key = ['--key', 'k', '--header', 'a=1', '--header', 'a=2', '--header', 'b=x=y']
    await millrace(['pub', 'json', ...key], { input: Buffer.from([0xff, 0x00]) })
    const { stdout } = await millrace(['sub', 'json', '--no-follow', '--output', 'jsonl'])
    const record = JSON.parse(stdout) as Record<string, unknown>
    expect(Object.keys(record)).toEqual([
      'topic',
      'partition',
      'offset',
      'timestamp',
      'key',
      'headers',
      'payloadBase64',
    ])
    expect(record).toMatchObject({
      topic: 'json',
      partition: 0,
      offset: 0,
      key: 'k',
      headers: { a: ['1', '2'], b: 'x=y' },
      payloadBase64: '/wA=',
    })
  })

  it('read from an offset, a count, a partition and a time', async () => {
    await millrace(['topic', 'create', 'places', '--partitions', '2'])
    for (const [partition, input] of [
      ['0', 'a\nb\nc\n'],
      ['1', 'x\n'],
    ] as const) {
      await millrace(['pub', 'places', '--lines', '--partition', partition], { input })
    }
    const sub = async (...args: string[]): Promise<string> =>
      (await millrace(['sub', 'places', '--no-follow', ...args])).stdout
    expect(await sub('--partition', '0', '--from', '1')).toBe('b\nc\n')
    expect(await sub('--partition', '0', '--count', '2')).toBe('a\nb\n')
    expect(await sub('--partition', '1')).toBe('x\n')
    expect(await sub('--from', '2020-01-01T00:00:00Z', '--partition', '1')).toBe('x\n')
    expect(await sub('--from', '2999-01-01', '--partition', '1')).toBe('')
    expect(await sub('--from', 'end')).toBe('')
  })

  it('follow from the end, and stop when they are interrupted', async () => {
    await millrace(['pub', 'live', 'before'])
    const child = spawnCommand(['sub', 'live'], { MILLRACE_URL: broker.url })
    const result = resultOf(child)
    const received = once(child.stdout as NodeJS.ReadableStream, 'data')
    // The subscription begins at some time after the start: publish until it is heard.
    let isHeard = false
    void received.then(() => (isHeard = true))
    while (!isHeard) await millrace(['pub', 'live', 'after'])
    child.kill('SIGINT')
    const { code, stdout, stderr } = await result
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.split('\n')[0]).toBe('after')
  })

  it('end quietly when nobody reads on', async () => {
    await millrace(['pub', 'many', '--lines'], {
      input: 'x'.repeat(100).concat('\n').repeat(50_000),
    })
    const child = spawnCommand(['sub', 'many', '--no-follow'], { MILLRACE_URL: broker.url })
    const result = resultOf(child)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    child.stdout?.destroy()
    expect(await result).toMatchObject({ code: 0, stderr: '' })
  })

  it('move a hundred thousand lines unchanged', async () => {
    const input = Array.from({ length: 100_000 }, (_, at) => `line ${at}\n`).join('')
    expect((await millrace(['pub', 'bulk', '--lines'], { input })).code).toBe(0)
    expect((await readAll('bulk')) === input).toBe(true)
  })

  it('fail when an interrupted input was not sent whole', async () => {
    const child = spawnCommand(['pub', 'cut', '--lines'], { MILLRACE_URL: broker.url })
    const result = resultOf(child)
    child.stdin?.write('first\n')
    while ((await readAll('cut')) !== 'first\n') continue
    child.kill('SIGINT')
    const { code, stderr } = await result
    expect(code).toBe(1)
    expect(stderr).toMatch(/interrupted: 1 records are acknowledged/)
  })
})

describe('topic', () => {
  it('creates, lists, describes, alters and deletes', async () => {
    const created = await millrace(['topic', 'create', 'shop', '--partitions', '3'])
    expect(created).toMatchObject({ code: 0, stdout: 'created shop with 3 partitions\n' })
    const listed = await millrace(['topic', 'list', '--prefix', 'sho', '--output', 'json'])
    expect(JSON.parse(listed.stdout)).toMatchObject([{ topic: 'shop', partitions: 3 }])
    await millrace(['topic', 'alter', 'shop', '--set', 'segmentBytes=64mb', '--partitions', '4'])
    const described = await millrace(['topic', 'describe', 'shop', '--output', 'json'])
    const content = JSON.parse(described.stdout) as { partitions: unknown[]; settings: object }
    expect(content.partitions).toHaveLength(4)
    expect(content.settings).toMatchObject({ segmentBytes: 64 << 20, durability: 'persisted' })
    expect((await millrace(['topic', 'describe', 'shop'])).stdout).toMatch(
      /^PARTITION {2}EARLIEST/m,
    )
    expect((await millrace(['topic', 'delete', 'shop', '--yes'])).code).toBe(0)
    const gone = await millrace(['topic', 'describe', 'shop'])
    expect(gone.code).toBe(1)
    expect(gone.stderr).toBe(
      "error: topic 'shop' does not exist\n" +
        'next:  create it with `millrace topic create`, or see `millrace topic list`\n',
    )
  })

  it('takes times and sizes as people write them, and unlimited', async () => {
    const flags = ['--retention-ms', '2d', '--retention-bytes', '10gb']
    const more = ['--cleanup-policy', 'compact,delete', '--tombstone-ms', '1h']
    const created = await millrace(['topic', 'create', 'kept', ...flags, ...more])
    expect(created).toMatchObject({ code: 0 })
    const settings = async (): Promise<object> => {
      const { stdout } = await millrace(['topic', 'describe', 'kept', '--output', 'json'])
      return (JSON.parse(stdout) as { settings: object }).settings
    }
    expect(await settings()).toMatchObject({
      retentionMs: 2 * 86_400_000,
      retentionBytes: 10 * 1024 ** 3,
      cleanupPolicy: 'compact,delete',
      tombstoneMs: 3_600_000,
    })
    const altered = ['--retention-ms', 'unlimited', '--compaction-lag-ms', '30s']
    expect(await millrace(['topic', 'alter', 'kept', ...altered])).toMatchObject({ code: 0 })
    expect(await settings()).toMatchObject({ retentionMs: -1, compactionLagMs: 30_000 })
    const refused = await millrace(['topic', 'alter', 'kept', '--cleanup-policy', 'sometimes'])
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.stderr).toContain('cleanupPolicy')
  })

  it('deletes the oldest records of a partition', async () => {
    await millrace(['topic', 'create', 'cutcut'])
    const name = 'cutcut'
    const pub = ['pub', name, '--lines', '--compression', 'gzip']
    const result = await millrace(pub, { input: 'a\nb\nc\nd\n' })
    expect(result).toMatchObject({ code: 0 })
    const partition = ['--partition', '0', '--yes']
    const deleted = await millrace(['topic', 'delete-records', name, '--before', '1', ...partition])
    expect(deleted).toMatchObject({ code: 0, stdout: `${name}/0 begins at 1\n` })
    const none = await millrace(['topic', 'delete-records', name, '--before', 'x', ...partition])
    expect(none).toMatchObject({ code: 2 })
  })

  it('prints JSON lines', async () => {
    await millrace(['topic', 'create', 'jl-a'])
    await millrace(['topic', 'create', 'jl-b'])
    const { stdout } = await millrace(['topic', 'list', '--prefix', 'jl-', '--output', 'jsonl'])
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { topic: string }).topic)
    expect(names.sort()).toEqual(['jl-a', 'jl-b'])
  })

  it('says what is wrong with a name or a setting', async () => {
    expect(await millrace(['topic', 'create', '../etc'])).toMatchObject({ code: 1, stdout: '' })
    const replicated = await millrace(['topic', 'create', 'r', '--durability', 'replicated'])
    expect(replicated.code).toBe(1)
    expect(replicated.stderr).toMatch(/^error: .*replicated.*\nnext: {2}use --durability/)
  })
})

describe('exit code 2', () => {
  it.each([
    ['no command', []],
    ['an unknown command', ['publish']],
    ['an unknown flag', ['pub', 't', 'x', '--kee', 'k']],
    ['a missing argument', ['sub']],
    ['a count of zero', ['sub', 't', '--count', '0']],
    ['a place that is none', ['sub', 't', '--from', 'yesterday']],
    ['a form that is none', ['sub', 't', '--output', 'xml']],
    ['a body and lines', ['pub', 't', 'x', '--lines']],
    ['a separator without lines', ['pub', 't', 'x', '--key-separator', ':']],
    ['a header without a value', ['pub', 't', 'x', '--header', 'a']],
    ['a URL of another scheme', ['topic', 'list', '--url', 'http://127.0.0.1:1']],
    ['nothing to change', ['topic', 'alter', 't']],
  ])('is for %s', async (_what, args) => {
    const { code, stdout, stderr } = await millrace(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).not.toBe('')
  })
})

describe('without a broker', () => {
  it('says what to do', async () => {
    const { code, stderr } = await run(['topic', 'list', '--url', 'millrace://127.0.0.1:1'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: cannot reach .*\nnext: {2}start a broker with `millrace dev`/)
  })

  it('prints its version and its help', async () => {
    expect((await run(['version'])).stdout).toMatch(/^millrace \d+\.\d+\.\d+ /)
    expect(await run(['--help'])).toMatchObject({ code: 0, stderr: '' })
  })

  it('checks and shows the configuration', async () => {
    const shown = await run(['config', 'show', '--native-port', '0', '--output', 'json'])
    expect(JSON.parse(shown.stdout)).toContainEqual({
      setting: 'native.port',
      value: '0',
      source: '--native-port',
    })
    expect((await run(['config', 'check'])).code).toBe(0)
    const bad = await run(['config', 'check'], { env: { MILLRACE_LOG__LEVEL: 'loud' } })
    expect(bad.code).toBe(2)
    expect(bad.stderr).toMatch(/MILLRACE_LOG__LEVEL.*expected one of debug/)
  })
})
