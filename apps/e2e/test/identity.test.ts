/**
 * Logins and permissions with clients that we did not write: kcat (librdkafka) by every mechanism it
 * has, the SDK beside it, and the broker's own output searched for what must not be in it.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type Client, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const passwords: Readonly<Record<string, string>> = {
  root: 'root-password-1f8a',
  writer: 'writer-password-77c2',
  reader: 'reader-password-90d1',
  nobody: 'nobody-password-4be6',
}
const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const
type Mechanism = (typeof mechanisms)[number]

let scratch: Scratch
let broker: LaunchedBroker

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const kcat = async (
  user: string,
  mechanism: Mechanism,
  args: readonly string[],
  { input = '', password = passwords[user] ?? '' } = {},
): Promise<Outcome> => {
  const login = [
    ...['-X', 'security.protocol=SASL_PLAINTEXT', '-X', `sasl.mechanisms=${mechanism}`],
    ...['-X', `sasl.username=${user}`, '-X', `sasl.password=${password}`],
    ...['-X', 'message.timeout.ms=5000'],
  ]
  const address = ['-b', `127.0.0.1:${broker.kafkaPort}`]
  const child = spawn('kcat', [...address, ...login, ...args], { timeout: 20_000 })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

const produce = (user: string, mechanism: Mechanism, topic: string, text: string) =>
  kcat(user, mechanism, ['-P', '-t', topic], { input: `${text}\n` })

const consume = (user: string, mechanism: Mechanism, topic: string) =>
  kcat(user, mechanism, ['-C', '-t', topic, '-o', 'beginning', '-e', '-q'])

const topicsSeenBy = async (user: string): Promise<readonly string[]> => {
  const { stdout } = await kcat(user, 'SCRAM-SHA-256', ['-L', '-J', '-m', '10'])
  const { topics } = JSON.parse(stdout) as { topics: readonly { topic: string }[] }
  return topics.map(({ topic }) => topic).sort()
}

beforeAll(async () => {
  scratch = createScratch('identity')
  mkdirSync(scratch.path, { recursive: true })
  const file = scratch.next('password')
  writeFileSync(file, `${passwords['root']}\n`, { mode: 0o600 })
  const bootstrap = {
    MILLRACE_AUTH__BOOTSTRAP_USER: 'root',
    MILLRACE_AUTH__BOOTSTRAP_PASSWORD_FILE: file,
    MILLRACE_LOG__LEVEL: 'debug',
  }
  broker = await launchBroker({ dataDir: scratch.next('data'), env: bootstrap })
  const auth = { username: 'root', password: passwords['root'] as string }
  await using client = await connect(broker.url, { auth })
  for (const topic of ['here', 'secret']) await client.admin.createTopic(topic)
  const { users, permissions } = client.admin
  for (const [user, password] of Object.entries(passwords)) {
    if (user !== 'root') await users.create(user, { password })
  }
  const on = { kind: 'topic', pattern: '*' } as const
  await permissions.grant({ user: 'writer', actions: ['write'], ...on })
  await permissions.grant({ user: 'reader', actions: ['read'], ...on })
  const all = ['configure', 'write', 'read'] as const
  await permissions.grant({
    user: '*',
    effect: 'deny',
    actions: all,
    kind: 'topic',
    pattern: 'secret',
  })
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

describe.each(mechanisms)('by %s', (mechanism) => {
  it('kcat writes and reads as who it logged in', async () => {
    const text = `written by ${mechanism}`
    expect(await produce('writer', mechanism, 'here', text)).toMatchObject({ code: 0 })
    const { code, stdout } = await consume('reader', mechanism, 'here')
    expect(code).toBe(0)
    expect(stdout.split('\n')).toContain(text)
  })

  it('kcat does not get in with a wrong password', async () => {
    const args = ['-L', '-m', '3']
    const outcome = await kcat('reader', mechanism, args, { password: 'guess-55aa' })
    expect(outcome.code).not.toBe(0)
    expect(outcome.stdout).not.toContain('here')
    expect(outcome.stderr).toMatch(/SASL|authentication/i)
  })
})

describe('over Kafka requests', () => {
  it.each([
    ['root', 'here', true, true],
    ['root', 'secret', true, true],
    ['writer', 'here', true, false],
    ['writer', 'secret', false, false],
    ['reader', 'here', false, true],
    ['reader', 'secret', false, false],
    ['nobody', 'here', false, false],
    ['nobody', 'missing', false, false],
  ])('%s on %s: writes %s, reads %s', async (user, topic, mayWrite, mayRead) => {
    const written = await produce(user, 'SCRAM-SHA-256', topic, `by ${user}`)
    const read = await consume(user, 'SCRAM-SHA-256', topic)
    const refusal = /authorization failed/i
    expect(refusal.test(written.stderr)).toBe(!mayWrite)
    expect(refusal.test(read.stderr)).toBe(!mayRead)
    if (!mayRead) expect(read.stdout).toBe('')
  })

  it('shows everybody the topics that they have a right to, and no other', async () => {
    expect(await topicsSeenBy('root')).toEqual(['here', 'secret'])
    expect(await topicsSeenBy('reader')).toEqual(['here'])
    expect(await topicsSeenBy('nobody')).toEqual([])
  })

  it('lets nobody in who does not log in', async () => {
    const child = spawn('kcat', ['-b', `127.0.0.1:${broker.kafkaPort}`, '-L', '-m', '3'])
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    expect(code).not.toBe(0)
    expect(stdout).not.toContain('here')
  })
})

it('lets the SDK in by every mechanism, and with the rights of its user', async () => {
  for (const mechanism of mechanisms) {
    const auth = { username: 'reader', password: passwords['reader'] as string, mechanism }
    await using client = await connect(broker.url, { auth })
    expect((await client.admin.listTopics()).map(({ topic }) => topic)).toEqual(['here'])
    await expect(client.admin.createTopic('new')).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHORIZED',
    })
  }
})

describe.each(['millrace', 'ws'] as const)('over %s', (path) => {
  const urlOf = (): string => (path === 'ws' ? `ws://127.0.0.1:${broker.httpPort}/ws` : broker.url)

  it.each<[string, readonly string[]]>([
    ['root', ['configure', 'write', 'read', 'administer']],
    ['writer', ['write']],
    ['reader', ['read']],
    ['nobody', []],
  ])('%s may do %j on a topic, and nothing else', async (username, rights) => {
    const auth = { username, password: passwords[username] as string }
    await using client = await connect(urlOf(), { auth })
    const { admin } = client
    const attempts: Readonly<Record<string, readonly (() => Promise<unknown>)[]>> = {
      configure: [
        () => admin.createTopic(`made-by-${username}-over-${path}`),
        () => admin.alterTopic('here', { retentionMs: 86_400_000 }),
      ],
      write: [() => client.producer<string>('here', { codec: 'string' }).send({ value: username })],
      read: [() => readOne(client, 'here'), () => admin.listOffsets('here', 'end')],
      administer: [
        () => admin.users.list(),
        () => admin.permissions.list(),
        () => admin.checkStorage({}),
        () => admin.backUp({ name: `by-${username}-over-${path}` }),
      ],
    }
    for (const [action, calls] of Object.entries(attempts)) {
      for (const call of calls) {
        const outcome = call().then(
          () => 'done',
          (error: { code?: unknown }) => error.code,
        )
        const expected = rights.includes(action) ? 'done' : 'ERR_NOT_AUTHORIZED'
        expect([action, String(call), await outcome]).toEqual([action, String(call), expected])
      }
    }
  })
})

const readOne = async (client: Client, topic: string): Promise<void> => {
  const options = { from: 'start', follow: false, codec: 'string' } as const
  for await (const _message of client.consume<string>(topic, options)) return
}

it('writes no secret to its output, at the most talkative level', () => {
  const output = broker.stdout() + broker.stderr()
  expect(output).toContain('auth.failed')
  for (const secret of [...Object.values(passwords), 'guess-55aa'])
    expect(output).not.toContain(secret)
})
