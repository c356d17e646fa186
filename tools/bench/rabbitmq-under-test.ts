/**
 * Debian's rabbitmq-server as a node of the bench's own: its own name, directories, cookie and ports
 * on loopback, and its own epmd, so that it meets no other node of the machine and leaves nothing
 * behind. Default settings, but no plugins and a quiet log. Ended by SIGKILL.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type BrokerCounters, type Contender, noCounters } from './contender.ts'
import { type CpuTimes, cpuTimesOfTree, residentBytesOfTree } from './process-stat.ts'
import { AmqpConnection } from './tasks/amqp-connection.ts'

/** Debian's wrapper on the path insists on a user and directories of its own. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const READY_MS_MAX = 60_000
const POLL_MS = 10
const PORT_COUNT = 3

const configuration = `log.file = false
log.console = true
log.console.level = error
`

/** Free a moment ago. */
const findPorts = async (): Promise<number[]> => {
  const servers = Array.from({ length: PORT_COUNT }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

const environmentFor = (directory: string, ports: readonly number[]): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  LANG: 'C.UTF-8',
  HOME: directory,
  ERL_EPMD_ADDRESS: '127.0.0.1',
  ERL_EPMD_PORT: String(ports[0]),
  RABBITMQ_NODENAME: `bench-${process.pid}-${ports[1]}@localhost`,
  RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
  RABBITMQ_NODE_PORT: String(ports[1]),
  RABBITMQ_DIST_PORT: String(ports[2]),
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
  RABBITMQ_LOG_BASE: join(directory, 'log'),
  RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
  RABBITMQ_CONF_ENV_FILE: '/dev/null',
  RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
})

const isServing = async (port: number): Promise<boolean> => {
  try {
    const connection = await AmqpConnection.open(port)
    connection.destroy()
    return true
  } catch {
    return false
  }
}

export class RabbitMqUnderTest implements Contender {
  readonly name = 'RabbitMQ'
  readonly amqpPort: number
  readonly #directory: string
  readonly #environment: NodeJS.ProcessEnv
  /** Found by the server: it would start one that outlives it. */
  readonly #epmd: ChildProcess
  #server!: ChildProcess
  #output = ''
  #startedInMs = Number.NaN
  readonly #end = (): void => this.#kill()

  private constructor(directory: string, ports: readonly number[]) {
    this.#directory = directory
    this.amqpPort = ports[1] ?? 0
    this.#environment = environmentFor(directory, ports)
    this.#epmd = spawn('epmd', [], { env: this.#environment, stdio: 'ignore' })
    this.#epmd.on('error', () => undefined)
    process.once('exit', this.#end)
  }

  static async start(directory: string): Promise<RabbitMqUnderTest> {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'rabbitmq.conf'), configuration)
    await writeFile(join(directory, 'plugins'), '[].\n')
    const node = new RabbitMqUnderTest(directory, await findPorts())
    try {
      await node.#start()
      return node
    } catch (error) {
      await node.close()
      throw error
    }
  }

  /** From the command to a connection that is open. */
  get startedInMs(): number {
    return this.#startedInMs
  }

  cpuTimes(): Promise<CpuTimes> {
    return cpuTimesOfTree(this.#server.pid ?? -1)
  }

  residentBytes(): Promise<number> {
    return residentBytesOfTree(this.#server.pid ?? -1)
  }

  counters(): Promise<BrokerCounters> {
    return Promise.resolve(noCounters)
  }

  async close(): Promise<void> {
    process.off('exit', this.#end)
    this.#kill()
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      await once(this.#server, 'exit')
    }
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  async #start(): Promise<void> {
    const beganAt = performance.now()
    // A group of its own, so that the runtime dies with the shell that started it.
    const options = { env: this.#environment, detached: true, stdio: 'pipe' as const }
    this.#server = spawn(SERVER, [], options)
    for (const stream of [this.#server.stdout, this.#server.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
    }
    const failed = new Promise<never>((_, reject) => {
      this.#server.once('error', (cause) =>
        reject(new Error("needs Debian's rabbitmq-server", { cause })),
      )
      this.#server.once('exit', () => reject(new Error(`RabbitMQ ended: ${this.#output}`)))
    })
    await Promise.race([this.#whenServing(), failed])
    this.#startedInMs = performance.now() - beganAt
  }

  async #whenServing(): Promise<void> {
    const deadline = performance.now() + READY_MS_MAX
    while (!(await isServing(this.amqpPort))) {
      if (performance.now() > deadline) throw new Error(`RabbitMQ is not ready: ${this.#output}`)
      await wait(POLL_MS)
    }
  }

  #kill(): void {
    this.#epmd.kill('SIGKILL')
    const { pid } = this.#server
    if (pid === undefined || this.#server.exitCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
}
