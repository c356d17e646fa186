/**
 * Debian's rabbitmq-server as a private node: every port on loopback and picked for it, its own name
 * server, directory and cookie. One serves all suites of a run, since it takes seconds to start: where
 * it is stands in a file named after this process. It outlives a test file, and never this process: a
 * guard waits for the end of its input, which is ours, then kills the node and removes its directory.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../eventually.ts'
import type { AmqpBroker } from './brokers.ts'

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const CONTROL = '/usr/lib/rabbitmq/bin/rabbitmqctl'
const READY_WITHIN_MS = 60_000
/** What the server writes to its log once it serves. */
const READY = 'Server startup complete'

/**
 * With job control the node and its helpers are a process group of their own, which `%1` is. The name
 * server is up before the node asks for one, which would otherwise start a daemon that stays.
 */
const GUARD = `set -m
(
  epmd &
  until epmd -names >/dev/null; do sleep 0.05; done
  exec ${SERVER}
) </dev/null >>"$1/log" 2>&1 &
echo $! >"$1/group"
read -r _
kill -9 %1
wait
rm -rf "$1"`

interface Node {
  readonly directory: string
  readonly port: number
  readonly nameServerPort: number
  readonly distributionPort: number
}

interface Running extends Node {
  /** Leader of the node's process group. */
  readonly group: number
  readonly guard: number
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

const environmentOf = (node: Node): NodeJS.ProcessEnv => {
  const file = (name: string): string => join(node.directory, name)
  return {
    ...process.env,
    HOME: node.directory,
    ERL_EPMD_PORT: String(node.nameServerPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `millrace-e2e-${node.port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(node.port),
    RABBITMQ_DIST_PORT: String(node.distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: file('mnesia'),
    RABBITMQ_LOG_BASE: file('logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: file('pid'),
    RABBITMQ_CONF_ENV_FILE: file('environment'),
    RABBITMQ_CONFIG_FILE: file('rabbitmq'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('advanced'),
    RABBITMQ_GENERATED_CONFIG_DIR: file('generated'),
    RABBITMQ_SCHEMA_DIR: file('schema'),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('plugins'),
  }
}

const start = async (node: Node): Promise<Running> => {
  const log = join(node.directory, 'log')
  await writeFile(log, '')
  const output = openSync(join(node.directory, 'guard'), 'a')
  const guard = spawn('bash', ['-c', GUARD, 'guard', node.directory], {
    env: environmentOf(node),
    stdio: ['pipe', output, output],
    detached: true,
  })
  // This process may end while the node runs: that is the signal to the guard.
  guard.unref()
  ;(guard.stdin as unknown as { unref(): void }).unref()
  const text = (): Promise<string> => readFile(log, 'utf8')
  try {
    await eventually('RabbitMQ serves', async () => (await text()).includes(READY), READY_WITHIN_MS)
  } catch (error) {
    guard.stdin?.end()
    throw new Error(`${(error as Error).message}\n${await text()}`, { cause: error })
  }
  const group = Number(await readFile(join(node.directory, 'group'), 'utf8'))
  return { ...node, group, guard: guard.pid as number }
}

/**
 * What RabbitMQ answers a declaration for is in the buffer of its log of definitions for up to two
 * seconds more. A kill meanwhile takes the durable queue itself, and no suite is about that.
 */
const writeDefinitions = async (node: Node): Promise<void> => {
  const command = ['--quiet', 'eval', 'mnesia:sync_log().']
  await promisify(execFile)(CONTROL, command, {
    env: environmentOf(node),
    timeout: READY_WITHIN_MS,
  })
}

const kill = async (running: Running): Promise<void> => {
  await writeDefinitions(running)
  const { group, guard, port, nameServerPort } = running
  process.kill(guard, 'SIGKILL')
  process.kill(-group, 'SIGKILL')
  await eventually('its ports are free', async () => {
    return (await isFree(port)) && (await isFree(nameServerPort))
  })
}

const directory = join(tmpdir(), `millrace-e2e-rabbitmq-${process.pid}`)
const stateFile = join(directory, 'running.json')

const remember = async (running: Running): Promise<Running> => {
  await writeFile(stateFile, JSON.stringify(running))
  return running
}

const create = async (): Promise<Running> => {
  if (!existsSync(SERVER)) {
    throw new Error('rabbitmq-server is missing: run `sudo apt-get install rabbitmq-server`')
  }
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'plugins'), '[rabbitmq_consistent_hash_exchange].\n')
  await writeFile(join(directory, 'rabbitmq.conf'), 'default_user = guest\ndefault_pass = guest\n')
  await writeFile(join(directory, 'environment'), '')
  const [port, nameServerPort, distributionPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  return remember(await start({ directory, port, nameServerPort, distributionPort }))
}

const find = async (): Promise<Running | undefined> => {
  try {
    return JSON.parse(await readFile(stateFile, 'utf8')) as Running
  } catch {
    return undefined
  }
}

/** The one of this run, started when it is the first to ask. */
export const launchRabbitmq = async (): Promise<AmqpBroker> => {
  let running = (await find()) ?? (await create())
  return {
    name: 'rabbitmq',
    port: running.port,
    url: `amqp://guest:guest@127.0.0.1:${running.port}`,
    webSocketUrl: undefined,
    pid: () => running.group,
    kill: () => kill(running),
    start: async () => {
      running = await remember(await start(running))
    },
    // It stays for the next suite.
    release: () => Promise.resolve(),
  }
}
