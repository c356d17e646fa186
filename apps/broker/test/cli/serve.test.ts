/** `millrace start` and `millrace dev` from the first line to the exit code. */
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import {
  type CommandResult,
  killLeftOvers,
  resultOf,
  run,
  spawnCommand,
  temporary,
} from '../support/command.ts'

jest.setTimeout(30_000)

let directory: Awaited<ReturnType<typeof temporary>>

beforeEach(async () => {
  directory = await temporary()
})

afterEach(() => {
  killLeftOvers()
  return directory.remove()
})

interface Serving {
  readonly child: ReturnType<typeof spawnCommand>
  readonly result: Promise<CommandResult>
  readonly ready: { readonly pid: number; readonly native: number; readonly http: number }
}

const readyFile = (): string => join(directory.path, 'ready.json')

const argumentsFor = (mode: string): string[] => [
  ...[mode, '--data-dir', join(directory.path, 'data'), '--ready-file', readyFile()],
  ...['--native-port', '0', '--http-port', '0', '--kafka-port', '0'],
  ...['--amqp-port', '0'],
]

const serve = async (mode: string, args: readonly string[] = [], env = {}): Promise<Serving> => {
  const child = spawnCommand([...argumentsFor(mode), ...args], env)
  const result = resultOf(child)
  let hasEnded = false
  void result.then(() => (hasEnded = true))
  while (!existsSync(readyFile())) {
    if (hasEnded) throw new Error(`it did not start: ${JSON.stringify(await result)}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { child, result, ready: JSON.parse(readFileSync(readyFile(), 'utf8')) as Serving['ready'] }
}

const busyPort = async (): Promise<{ port: number; free: () => void }> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, free: () => server.close() }
}

it('writes the ready file when it serves, and takes it away when it stops', async () => {
  const { child, result, ready } = await serve('start')
  expect(Object.keys(ready)).toEqual(['pid', 'native', 'http', 'kafka', 'amqp'])
  expect(ready.pid).toBe(child.pid)
  const client = await connect(`millrace://127.0.0.1:${ready.native}`)
  await client.admin.createTopic('t')
  await client.close()
  expect((await fetch(`http://127.0.0.1:${ready.http}/readyz`)).status).toBe(200)
  child.kill('SIGTERM')
  const { code, stdout } = await result
  expect(code).toBe(0)
  expect(existsSync(readyFile())).toBe(false)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(lines).toEqual(['broker.starting', 'broker.ready', 'broker.stopping', 'broker.stopped'])
})

it('serves what it stored before', async () => {
  const first = await serve('start')
  const url = `millrace://127.0.0.1:${first.ready.native}`
  await run(['topic', 'create', 'kept', '--url', url])
  await run(['pub', 'kept', 'still here', '--url', url])
  first.child.kill('SIGKILL')
  await first.result
  // What a killed broker left there must not be taken for a sign of life.
  writeFileSync(readyFile(), '')
  const { rmSync } = await import('node:fs')
  rmSync(readyFile())
  const second = await serve('start')
  const again = `millrace://127.0.0.1:${second.ready.native}`
  expect((await run(['sub', 'kept', '--no-follow', '--url', again])).stdout).toBe('still here\n')
  second.child.kill('SIGTERM')
  await second.result
})

it('tells its peers to go and waits for what is in flight', async () => {
  const { child, result, ready } = await serve('dev')
  const client = await connect(`millrace://127.0.0.1:${ready.native}`)
  const status = new Promise((resolve) => client.on('status', resolve))
  child.kill('SIGINT')
  expect(await status).toMatchObject({ type: 'going-away' })
  expect((await result).code).toBe(0)
  await client.close()
})

it('disables a listener, and leaves it out of the ready file', async () => {
  const { child, result, ready } = await serve('start', ['--http-port', 'off'])
  expect(Object.keys(ready)).toEqual(['pid', 'native', 'kafka', 'amqp'])
  child.kill('SIGTERM')
  expect((await result).code).toBe(0)
})

it('refuses an address that others can reach, and says why', async () => {
  const { code, stderr } = await run([...argumentsFor('start'), '--host', '0.0.0.0'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^error: host '0\.0\.0\.0' is refused: .*nobody could log in/)
  expect(stderr).toMatch(/set auth\.bootstrapUser .*--host 127\.0\.0\.1/)
})

it.each(['native', 'http'])('does not start when the %s port is busy', async (listener) => {
  const { port, free } = await busyPort()
  const { code, stderr } = await run([...argumentsFor('start'), `--${listener}-port`, String(port)])
  free()
  expect(code).toBe(1)
  expect(stderr).toContain(`port ${port} of the ${listener} listener is in use`)
  expect(stderr).toContain(`--${listener}-port or ${listener}.port`)
})

it('only warns of a busy gateway port in dev, never of the native one', async () => {
  const { port, free } = await busyPort()
  const { child, result, ready } = await serve('dev', ['--http-port', String(port)])
  expect(Object.keys(ready)).toEqual(['pid', 'native', 'kafka', 'amqp'])
  child.kill('SIGTERM')
  expect((await result).stdout).toMatch(/listener\.port-busy/)
  const native = await run([...argumentsFor('dev'), '--native-port', String(port)])
  expect(native.code).toBe(1)
  free()
})

it('does not take a directory that another broker has', async () => {
  const { child, result } = await serve('start')
  const second = await run(argumentsFor('start'))
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`in use by process ${child.pid}`)
  expect(second.stderr).toMatch(/\nnext: {2}stop that broker, or choose another directory/)
  expect(existsSync(readyFile())).toBe(true)
  child.kill('SIGTERM')
  await result
})

it('does not touch a directory of a format it does not know', async () => {
  const first = await serve('start')
  first.child.kill('SIGTERM')
  await first.result
  const meta = join(directory.path, 'data', 'meta.json')
  const text = readFileSync(meta, 'utf8').replace(/"format": \d+/, '"format": 99')
  writeFileSync(meta, text)
  const { code, stderr } = await run(argumentsFor('start'))
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^error: the data directory has format 99: this broker reads \d+\nnext: {2}run/,
  )
  expect(readFileSync(meta, 'utf8')).toBe(text)
})

it('says what helps when it cannot have its directory', async () => {
  const file = join(directory.path, 'file')
  writeFileSync(file, '')
  const { code, stderr } = await run([
    'start',
    '--data-dir',
    join(file, 'data'),
    '--native-port',
    '0',
  ])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: ENOTDIR.*\nnext: {2}choose a path that is a directory/)
})

it('goes on after SIGHUP, also when there is nothing to reload', async () => {
  const { child, result, ready } = await serve('start')
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.kill('SIGHUP')
  while (!text.includes('broker.reload')) await new Promise((resolve) => setImmediate(resolve))
  expect((await fetch(`http://127.0.0.1:${ready.http}/readyz`)).status).toBe(200)
  child.kill('SIGTERM')
  expect((await result).code).toBe(0)
})

it('checks settings that only make sense together', async () => {
  const env = { MILLRACE_TLS__KEY_FILE: '/k', MILLRACE_TLS__CLIENT_AUTH: 'required' }
  const tls = await run(['config', 'check'], { env })
  expect(tls.code).toBe(2)
  expect(tls.stderr).toMatch(
    /'tls\.keyFile' needs 'tls\.certFile' too\n.*'tls\.clientAuth' is "required"/,
  )
  const origins = await run(['config', 'check'], {
    env: { MILLRACE_WEBSOCKET__ORIGINS: 'app.example' },
  })
  expect([origins.code, origins.stderr]).toEqual([2, expect.stringContaining("'app.example'")])
})

it('says what is wrong with the file, all at once', async () => {
  const file = join(directory.path, 'millrace.yaml')
  writeFileSync(file, 'native:\n  prt: 1\nlog:\n  level: loud\n')
  const { code, stderr } = await run([...argumentsFor('start'), '--config', file])
  expect(code).toBe(2)
  expect(stderr).toMatch(/yaml:2:8: unknown setting 'native\.prt': did you mean 'native\.port'\?/)
  expect(stderr).toMatch(/yaml:4:10: 'log\.level' is "loud"/)
})

it('exits at once at the second signal', async () => {
  const { child, result, ready } = await serve('start')
  // A peer that does not hang up holds the drain for a while.
  const socket = connectSocket(ready.native, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  let hasBegun = false
  child.stdout?.on('data', (chunk: Buffer) => (hasBegun ||= chunk.includes('broker.stopping')))
  child.kill('SIGTERM')
  while (!hasBegun) await new Promise((resolve) => setImmediate(resolve))
  child.kill('SIGTERM')
  expect((await result).code).toBe(1)
  socket.destroy()
})

it('greets who develops', async () => {
  const { child, result, ready } = await serve('dev')
  child.kill('SIGTERM')
  const { code, stdout } = await result
  expect(code).toBe(0)
  expect(stdout).toMatch(/^millrace \d+\.\d+\.\d+ {2}ready in \d+ ms$/m)
  expect(stdout).toContain(`millrace://127.0.0.1:${ready.native}`)
  expect(stdout).toContain(
    `millrace pub orders '{"id":1}' --url millrace://127.0.0.1:${ready.native}`,
  )
})

it('creates topics on first use in dev only', async () => {
  const dev = await serve('dev')
  const devUrl = `millrace://127.0.0.1:${dev.ready.native}`
  expect((await run(['pub', 'fresh', 'x', '--url', devUrl])).code).toBe(0)
  dev.child.kill('SIGTERM')
  await dev.result
  const start = await serve('start')
  const startUrl = `millrace://127.0.0.1:${start.ready.native}`
  const refused = await run(['pub', 'other', 'x', '--url', startUrl])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/topic 'other' does not exist.*\nnext: {2}create it with/)
  start.child.kill('SIGTERM')
  await start.result
})
