/**
 * The composition root: configuration in, a serving broker out. Everything that is shared by the
 * connections of a process is made here and passed on; nothing below reads configuration, clock or
 * environment by itself.
 *
 * Order: engine, then listeners, then the ready file; a stop goes the other way.
 */
import { compressionCodecs, type BatchCompression, type BrokerError } from '@millrace/codec'
import { createCompression } from '@millrace/compression'
import type {
  Broker,
  BrokerOptions,
  ConnectionLimits,
  Environment,
  Services,
  TopicSettings,
} from '@millrace/core'
import { allowAllAuthorizer, anonymousAuthenticator } from './auth/anonymous.ts'
import type { ConfigValues } from './config/config-table.ts'
import { createHealthRoutes } from './http/health.ts'
import { HttpServer } from './http/http-server.ts'
import { createMetricsRoute } from './http/metrics.ts'
import { throttleLog } from './log-throttle.ts'
import { NativeGateway } from './native/native-gateway.ts'
import { CoarseTimers } from './net/coarse-timers.ts'
import { type FileBudget, fitToFileLimit, wishedFiles } from './net/file-budget.ts'
import { MemoryBudget } from './net/memory-budget.ts'
import { SlabPool } from './net/slab-pool.ts'
import { ConnectionCounter, TcpListener } from './net/tcp-listener.ts'
import { TurnQueue } from './net/turn-queue.ts'
import { removeReadyFile, writeReadyFile } from './ready-file.ts'

export type OpenBroker = (options: BrokerOptions, environment: Environment) => Promise<Broker>

export interface ServerOptions {
  readonly values: ConfigValues
  readonly version: string
  readonly environment: Environment
  readonly openBroker: OpenBroker
  /** The engine can no longer keep its promises: end the process. */
  readonly onFatal: (error: BrokerError) => void
  /** File descriptors that the process may open. */
  readonly openFilesMax: number
  /** In development a gateway's busy port is a warning, never the native one. */
  readonly isBusyGatewayFatal: boolean
}

export type ListenerName = 'native' | 'http'

export interface RunningServer {
  readonly broker: Broker
  /** The ports that were bound, by listener. */
  readonly ports: Readonly<Partial<Record<ListenerName, number>>>
  readonly connectionCount: () => number
  /** Drains, closes the engine. Calling it again waits for the same end. */
  stop(deadlineMs: number): Promise<void>
}

/** A listener that could not be bound, with the setting that moves it. */
export class ListenError extends Error {
  readonly listener: ListenerName
  readonly port: number | 'off'
  readonly code: string

  constructor(listener: ListenerName, port: number | 'off', code: string) {
    const why = code === 'EADDRINUSE' ? 'is in use' : `cannot be bound (${code})`
    super(
      `port ${port} of the ${listener} listener ${why}: ` +
        `stop what uses it, or choose another with --${listener}-port or ${listener}.port`,
    )
    this.name = 'ListenError'
    this.listener = listener
    this.port = port
    this.code = code
  }
}

export const limitsOf = (values: ConfigValues): ConnectionLimits => ({
  connectionsMax: values['limits.connections'],
  handshakeMsMax: values['limits.handshakeTime'],
  frameBytesMax: values['limits.frameBytes'],
  bodyBytesMax: values['limits.bodyBytes'],
  inFlightCountMax: values['limits.inFlightRequests'],
  inFlightBytesMax: values['limits.inFlightBytes'],
  outboundBytesMax: values['limits.outboundBytes'],
  subscriptionsMax: values['limits.subscriptions'],
})

const topicDefaultsOf = (
  values: ConfigValues,
): TopicSettings & { readonly partitions: number } => ({
  partitions: values['topics.partitions'],
  durability: values['topics.durability'] as TopicSettings['durability'],
  segmentBytes: values['topics.segmentBytes'],
  segmentMs: values['topics.segmentTime'],
  timestampType: values['topics.timestampType'] as TopicSettings['timestampType'],
  batchBytesMax: values['topics.batchBytes'],
})

const brokerOptionsOf = (
  values: ConfigValues,
  files: FileBudget,
  compression: BatchCompression,
  onFatal: (error: BrokerError) => void,
): BrokerOptions => ({
  compression,
  directory: values.dataDir,
  autoCreateTopics: values['topics.autoCreate'],
  topicDefaults: topicDefaultsOf(values),
  storage: {
    journalFileBytes: values['storage.journalFileBytes'],
    checkpointBytes: values['storage.checkpointBytes'],
    directAppendBytes: values['storage.directAppendBytes'],
    groupBytesMax: values['storage.groupBytes'],
    unflushedBytesMax: values['storage.unflushedBytes'],
    deleteGraceMs: values['storage.deleteGrace'],
    ballastBytes: values['storage.ballastBytes'],
    openFilesMax: files.storageFiles,
  },
  onFatal,
})

export const startServer = async (options: ServerOptions): Promise<RunningServer> => {
  const { values, environment } = options
  const files = shareFiles(options)
  const compression = await createCompression()
  const brokerOptions = brokerOptionsOf(values, files, compression, options.onFatal)
  const broker = await options.openBroker(brokerOptions, environment)
  const { clock, timers, random, disk } = environment
  const log = throttleLog(environment.log, clock)
  const ownEnvironment = { clock, timers, random, disk, log }
  const server = new Server({ ...options, environment: ownEnvironment }, broker, files)
  try {
    await server.listen()
  } catch (error) {
    await server.stop(0)
    throw error
  }
  return server
}

const shareFiles = ({ values, openFilesMax, environment }: ServerOptions): FileBudget => {
  const wished = wishedFiles(values['limits.connections'], values['storage.openFiles'])
  const files = fitToFileLimit(wished, openFilesMax)
  if (files.connections < wished.connections || files.storageFiles < wished.storageFiles) {
    const reason = 'the process may open too few files for the settings: raise ulimit -n'
    environment.log.warn('limits.lowered', { openFilesMax, ...files, reason })
  }
  return files
}

class Server implements RunningServer {
  readonly broker: Broker
  readonly ports: Partial<Record<ListenerName, number>> = {}
  readonly #options: ServerOptions
  readonly #counter: ConnectionCounter
  readonly #native: NativeGateway
  readonly #nativeListener: TcpListener
  readonly #http: HttpServer
  #isServing = false
  #stopped: Promise<void> | undefined

  constructor(options: ServerOptions, broker: Broker, files: FileBudget) {
    const { values, environment, version } = options
    const timers = new CoarseTimers(environment.clock, environment.timers)
    const memory = new MemoryBudget(values['limits.bufferBytes'])
    this.#options = options
    this.broker = broker
    this.#counter = new ConnectionCounter(files.connections)
    this.#native = new NativeGateway(
      {
        brokerVersion: version,
        heartbeatMs: values['native.heartbeat'],
        autoCreateTopics: values['topics.autoCreate'],
      },
      timers,
      memory,
    )
    this.#nativeListener = this.#createNativeListener(timers, memory)
    this.#http = this.#createHttpServer(files.httpConnections)
  }

  connectionCount(): number {
    return this.#counter.count
  }

  async listen(): Promise<void> {
    const { values } = this.#options
    await this.#bind('native', values['native.port'], () => this.#nativeListener.listen())
    await this.#bind('http', values['http.port'], () => this.#http.listen())
    this.#isServing = true
    this.#warnOfTopicsBelowPersisted()
    if (values.readyFile !== '') {
      writeReadyFile(values.readyFile, { pid: process.pid, ...this.ports })
    }
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs)
    return this.#stopped
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { values } = this.#options
    this.#isServing = false
    if (values.readyFile !== '') removeReadyFile(values.readyFile)
    this.#nativeListener.stopAccepting()
    await this.#native.close(deadlineMs)
    // A closed engine has no status to show.
    this.#http.close()
    await this.broker.close()
  }

  async #bind(
    name: ListenerName,
    port: number | 'off',
    listen: () => Promise<number>,
  ): Promise<void> {
    if (port === 'off') return
    try {
      this.ports[name] = await listen()
    } catch (error) {
      const failure = new ListenError(name, port, (error as { code?: string }).code ?? '?')
      const isFatal = name === 'native' || this.#options.isBusyGatewayFatal
      if (isFatal || failure.code !== 'EADDRINUSE') throw failure
      this.#options.environment.log.warn('listener.port-busy', { reason: failure.message })
    }
  }

  #createNativeListener(timers: CoarseTimers, memory: MemoryBudget): TcpListener {
    const { values, environment } = this.#options
    const { log } = environment
    const limits = limitsOf(values)
    const services: Services = {
      codecs: Object.keys(compressionCodecs),
      broker: this.broker,
      authenticator: anonymousAuthenticator,
      authorizer: allowAllAuthorizer,
      environment,
      limits,
    }
    const port = values['native.port']
    return new TcpListener({
      name: 'native',
      host: values.host,
      port: port === 'off' ? 0 : port,
      log,
      counter: this.#counter,
      surroundings: {
        slabs: new SlabPool(),
        turns: new TurnQueue((callback) => environment.timers.defer(callback)),
        timers,
        memory,
        outboundBytesMax: limits.outboundBytesMax,
        onCutOff: ({ id, remoteAddress }, { code, message }) =>
          log.warn('connection.cut-off', {
            connection: id,
            peer: remoteAddress,
            code,
            reason: message,
          }),
      },
      accept: (connection) => this.#native.accept(connection, services),
      refusal: (error) => this.#native.refusal(error),
    })
  }

  #createHttpServer(connectionsMax: number): HttpServer {
    const { values, environment, version } = this.#options
    const status = () => this.broker.status()
    const port = values['http.port']
    return new HttpServer({
      host: values.host,
      port: port === 'off' ? 0 : port,
      connectionsMax,
      log: environment.log,
      routes: {
        ...createHealthRoutes({ version, status, isServing: () => this.#isServing }),
        '/metrics': createMetricsRoute({
          version,
          status,
          connectionCount: () => this.#counter.count,
          nativeSessionCount: () => this.#native.sessionCount,
        }),
      },
    })
  }

  #warnOfTopicsBelowPersisted(): void {
    const { topicsBelowPersisted } = this.broker.status()
    if (topicsBelowPersisted.length === 0) return
    this.#options.environment.log.warn('topics.below-persisted', {
      topics: topicsBelowPersisted,
      reason: 'an acknowledgement of these topics does not mean that the record is on disk',
    })
  }
}
