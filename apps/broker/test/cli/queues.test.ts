/** Exchanges, bindings and queues on the command line, against the real broker. */
import { type BrokerProcess, startBroker } from '@millrace/testing'
import { type CommandOptions, type CommandResult, killLeftOvers, run } from '../support/command.ts'

jest.setTimeout(60_000)

let broker: BrokerProcess

beforeAll(async () => {
  broker = await startBroker({ env: { MILLRACE_TOPICS__AUTO_CREATE: 'true' } })
})

afterAll(() => broker.stop())
afterEach(killLeftOvers)

const millrace = (args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> =>
  run(args, { ...options, env: { MILLRACE_URL: broker.url, ...options.env } })

/** What it prints; fails when it fails. */
const done = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await millrace(args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

const objectOf = (text: string): Record<string, unknown> =>
  JSON.parse(text) as Record<string, unknown>

it('creates, lists, describes, alters and deletes a queue', async () => {
  const flags = ['--length-max', '1000', '--message-ttl', '10m', '--bytes-max', '1gb']
  expect(await done('queue', 'create', 'q1', ...flags, '--set', 'isKeyOrdered=true')).toBe(
    'created q1\n',
  )
  expect(await done('queue', 'list', '--prefix', 'q1')).toBe(
    'QUEUE  READY  READYBYTES  INFLIGHT  CONSUMERS  DURABLE\n' +
      'q1         0           0         0          0  yes\n',
  )
  const described = objectOf(await done('queue', 'describe', 'q1', '--output', 'json'))
  expect(described).toMatchObject({
    queue: 'q1',
    ready: 0,
    settings: { lengthMax: 1000, messageTtlMs: 600_000, bytesMax: 1024 ** 3, isKeyOrdered: true },
  })
  expect(await done('queue', 'describe', 'q1')).toMatch(/^queue +q1\n[^]*lengthMax +1000\n/)
  await done('queue', 'alter', 'q1', '--length-max', '5', '--reset', 'messageTtlMs')
  const delay = ['--redelivery-delay', '1s', '--redelivery-delay-max', '1m']
  await done('queue', 'alter', 'q1', ...delay, '--redelivery-delay-of', 'failed')
  const altered = objectOf(await done('queue', 'describe', 'q1', '--output', 'jsonl'))
  expect(altered['settings']).toMatchObject({
    lengthMax: 5,
    redeliveryDelayMsMin: 1_000,
    redeliveryDelayMsMax: 60_000,
    redeliveryDelayOf: 'failed',
  })
  expect(altered['settings']).not.toHaveProperty('messageTtlMs')
  expect(await done('queue', 'delete', 'q1', '--yes')).toBe('deleted q1 with 0 messages\n')
  const missing = await millrace(['queue', 'describe', 'q1'])
  expect(missing).toEqual({
    code: 1,
    stdout: '',
    stderr:
      "error: queue 'q1' does not exist\n" +
      'next:  create it with `millrace queue create`, or see `millrace queue list`\n',
  })
})

it('creates, lists, describes and deletes exchanges and bindings', async () => {
  await done('queue', 'create', 'pdfs')
  expect(await done('exchange', 'create', 'by-kind', '--type', 'headers')).toBe(
    'created by-kind (headers)\n',
  )
  await done('exchange', 'create', 'orders', '--type', 'topic', '--alternate-exchange', 'by-kind')
  const header = ['--header', 'kind=pdf', '--header', 'urgent', '--match', 'any']
  expect(await done('binding', 'create', 'by-kind', 'queue:pdfs', ...header)).toBe(
    'bound queue:pdfs to by-kind\n',
  )
  await done('topic', 'create', 'telemetry')
  await done('binding', 'create', 'orders', 'topic:telemetry', '--key', 'eu.#')
  await done('binding', 'create', 'orders', 'exchange:by-kind', '--key', '#')
  expect(await done('binding', 'list', 'by-kind')).toBe(
    'EXCHANGE  TARGET      KEY  HEADERS\n' + 'by-kind   queue:pdfs       any: kind=pdf urgent\n',
  )
  const leading = await done('binding', 'list', '--target', 'topic:telemetry', '--output', 'jsonl')
  expect(objectOf(leading)).toMatchObject({ exchange: 'orders', routingKey: 'eu.#' })
  const described = objectOf(await done('exchange', 'describe', 'orders', '--output', 'json'))
  expect(described).toMatchObject({ exchange: 'orders', bindings: [{}, {}] })
  expect(await done('exchange', 'list', '--prefix', 'o')).toContain(
    'orders    topic         2  yes',
  )
  await done('binding', 'delete', 'orders', 'exchange:by-kind', '--key', '#')
  const inUse = await millrace(['exchange', 'delete', 'orders', '--if-unused'])
  expect(inUse.stderr).toContain("error: exchange 'orders' is in use\n")
  expect(await done('exchange', 'delete', 'orders')).toBe('deleted orders\n')
  await done('exchange', 'delete', 'by-kind')
})

it('creates a delayed exchange, and says what it keeps', async () => {
  const without = await millrace(['exchange', 'create', 'later', '--type', 'delayed'])
  expect(without).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('delayedType') as string,
  })
  const flags = ['--type', 'delayed', '--delayed-type', 'fanout']
  expect(await done('exchange', 'create', 'later', ...flags)).toBe('created later (delayed)\n')
  await done('pub', 'exchange:later', 'a', '--delay', '1h')
  expect(await done('exchange', 'describe', 'later')).toMatch(/kept +1\n[^]*delayedType +fanout\n/)
  const wrong = await millrace(['pub', 'exchange:later', 'a', '--delay', 'soon'])
  expect(wrong.stderr).toContain("--delay 'soon' is no time")
  await done('exchange', 'delete', 'later', '--yes')
})

describe('pub and sub', () => {
  it('publish through an exchange, look without taking, then take', async () => {
    await done('queue', 'create', 'work')
    await done('exchange', 'create', 'tasks')
    await done('binding', 'create', 'tasks', 'queue:work', '--key', 'a/b')
    const flags = ['--header', 'h=v', '--priority', '3', '--ttl', '1h', '--message-id', 'm-1']
    expect(await done('pub', 'exchange:tasks/a/b', 'hello', ...flags, '--output', 'jsonl')).toBe(
      '{"targets":1}\n',
    )
    expect(await done('pub', 'queue:work', 'direct')).toBe('')
    expect(await done('sub', 'queue:work', '--no-follow')).toBe('hello\ndirect\n')
    const peeked = await done('queue', 'peek', 'work', '--output', 'jsonl')
    expect(objectOf(peeked.split('\n')[0] as string)).toMatchObject({
      queue: 'work',
      exchange: 'tasks',
      routingKey: 'a/b',
      messageId: 'm-1',
      priority: 3,
      ttlMs: 3_600_000,
      headers: { h: 'v' },
      payload: 'hello',
    })
    expect(await done('sub', 'queue:work', '--ack', '--count', '1')).toBe('hello\n')
    expect(await done('sub', 'queue:work', '--ack', '--no-follow')).toBe('direct\n')
    expect(await done('queue', 'peek', 'work')).toBe('')
  })

  it('publish a message of each line', async () => {
    await done('queue', 'create', 'lines')
    const published = await millrace(['pub', 'queue:lines', '--lines'], { input: 'a\nb\n\nc' })
    expect(published).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await done('sub', 'queue:lines', '--ack', '--no-follow')).toBe('a\nb\n\nc\n')
  })

  it('say that nobody took a message, or that there is no queue', async () => {
    await done('exchange', 'create', 'lonely')
    const nobody = await millrace(['pub', 'exchange:lonely/x', 'y'])
    expect([nobody.code, nobody.stderr]).toEqual([
      1,
      "error: nobody took the message: no binding of 'lonely' matches it\n" +
        'next:  see `millrace binding list`, or bind a queue to it\n',
    ])
    const missing = await millrace(['pub', 'queue:missing', 'x'])
    expect(missing.stderr).toContain("error: queue 'missing' does not exist\n")
    const lines = await millrace(['pub', 'queue:missing', '--lines'], { input: 'x\n' })
    expect(lines.stderr).toContain("error: queue 'missing' does not exist\n")
  })

  it.each([
    [['pub', 'queue:q', 'x', '--partition', '1'], '--partition is for topics'],
    [['pub', 'topic:t', 'x', '--ttl', '1h'], '--ttl, --delay, --priority'],
    [['pub', 'queue:q', 'x', '--ttl', 'soon'], "--ttl 'soon' is no time"],
    [['pub', 'queue:', 'x'], "'queue:' names nothing"],
    [['sub', 'queue:q', '--from', 'start'], '--from is for topics'],
    [['sub', 'exchange:e'], 'nobody reads from an exchange'],
    [['sub', 'some-topic', '--ack'], '--ack is for queues'],
    [['binding', 'create', 'e', 'q'], "'q' says no kind"],
    [['binding', 'create', 'e', 'exchange:e/k'], 'has a key'],
    [['queue', 'move', 'q', 'topic:t'], 'messages are moved to a queue or an exchange'],
    [['queue', 'alter', 'q'], 'nothing to change'],
    [['queue', 'peek', 'q', '--count', '1001'], '--count 1001 is too many'],
    [['queue', 'replay', 'q', '--since', 'then'], "--since 'then' is no time"],
    [['queue', 'create', 'q', '--set', 'colour=red'], "argument 'colour' is not valid"],
  ])('%j is a mistake', async (args, text) => {
    const { code, stderr } = await millrace(args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)])
  })
})

it('purges, moves and replays', async () => {
  await done('queue', 'create', 'first', '--retention', '1h')
  await done('queue', 'create', 'second')
  for (const text of ['1', '2', '3']) await done('pub', 'queue:first', text)
  expect(await done('queue', 'move', 'first', 'queue:second', '--count', '2')).toBe(
    'moved 2 messages to queue:second\n',
  )
  expect(await done('sub', 'queue:second', '--ack', '--no-follow')).toBe('1\n2\n')
  expect(await done('sub', 'queue:first', '--ack', '--no-follow')).toBe('3\n')
  expect(await done('queue', 'replay', 'first', '--since', '1h')).toMatch(
    /^\d messages of first are ready again\n$/,
  )
  expect(await done('queue', 'purge', 'first', '--output', 'jsonl')).toMatch(
    /^\{"queue":"first","messages":[1-3]\}\n$/,
  )
})
