/**
 * The life of a broker process: configuration in, a serving broker out. What connections share is made
 * in `composition.ts`, which ports there are stands in `net/listener-table.ts`; nothing below reads
 * configuration, clock or environment by itself.
 *
 * Order: engine, then listeners, then the ready file; a stop goes the other way.
 */
import type { BrokerError } from '@millrace/codec'
import { createCompression } from '@millrace/compression'
import type { Broker, BrokerOptions, Environment } from '@millrace/core'
import { brokerOptionsOf } from './broker-options.ts'
import { type AuthPolicy, readAuthPolicy } from './auth/auth-policy.ts'
import { type BrokerIdentity, createBrokerIdentity } from './auth/broker-identity.ts'
import { compose, type Composition } from './composition.ts'
import { readDiskBytes } from './alarms/machine.ts'
import { createGuards, type Guards } from './guards.ts'
import type { ConfigValues } from './config/config-table.ts'
import { createOriginRules } from './http/host-rules.ts'
import { throttleLog } from './log-throttle.ts'
import { nodeCertificateFiles } from './net/certificate-files.ts'
import { type CertificateFiles, Certificates, tlsSettingsOf } from './net/certificates.ts'
import { createListener } from './net/create-listener.ts'
import { type FileBudget, fitToFileLimit, wishedFiles } from './net/file-budget.ts'
import { type Listener, ListenError } from './net/listener.ts'
import { type ListenerName, type ListenerRow, listenerTable } from './net/listener-table.ts'
import { loadSystemCalls, type NoSystemCalls, type SystemCalls } from './net/system-calls.ts'
import { removeReadyFile, writeReadyFile } from './ready-file.ts'

export { ListenError } from './net/listener.ts'
export type { ListenerName } from './net/listener-table.ts'

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
  /** What the memory alarm goes by; the process's own unless a test says otherwise. */
  readonly usedMemoryBytes?: () => number
  /** Where certificates are read; the disk unless a test says otherwise. */
  readonly certificateFiles?: CertificateFiles
  /** What sends files; the operating system's calls unless a test says otherwise. */
  readonly loadSystemCalls?: () => Promise<SystemCalls | NoSystemCalls>
}

export interface RunningServer {
  readonly broker: Broker
  /** The ports that were bound, by listener. */
  readonly ports: Readonly<Partial<Record<ListenerName, number>>>
  readonly connectionCount: () => number
  /** Whether a peer without credentials is refused. */
  readonly isLoginRequired: () => boolean
  /** Reads the certificates again; missing when there is no TLS. */
  readonly reloadCertificates: (() => void) | undefined
  /** Drains, closes the engine. Calling it again waits for the same end. */
  stop(deadlineMs: number): Promise<void>
}

export const startServer = async (options: ServerOptions): Promise<RunningServer> => {
  const { values, environment } = options
  const files = shareFiles(options)
  const compression = await createCompression()
  const { clock, timers, random, disk } = environment
  const log = throttleLog(environment.log, clock)
  const ownOptions = { ...options, environment: { clock, timers, random, disk, log } }
  const certificates = openCertificates(ownOptions)
  const origins = createOriginRules(values['websocket.origins'])
  const policy = await readAuthPolicy(values)
  const brokerOptions = brokerOptionsOf(
    values,
    files,
    compression,
    options.onFatal,
    policy.isRequired,
  )
  const systemCalls = await openSystemCalls(ownOptions)
  const broker = await options.openBroker(brokerOptions, environment)
  const isServing = (): boolean => server.isServing
  const guards = createGuards(ownOptions, broker, await readDiskBytes(values.dataDir))
  const identity = await openIdentity(ownOptions, policy, broker, guards)
  const composition = compose(ownOptions, {
    broker,
    guards,
    identity,
    files,
    certificates,
    origins,
    systemCalls,
    isServing,
  })
  const server = new Server(ownOptions, composition, guards, identity)
  try {
    await server.listen()
  } catch (error) {
    await server.stop(0)
    throw error
  }
  return server
}

/** Without them everything works, at a higher price. */
const openSystemCalls = async ({
  values,
  environment,
  loadSystemCalls: load = loadSystemCalls,
}: ServerOptions): Promise<SystemCalls | undefined> => {
  if (!values['storage.sendFile']) return undefined
  const calls = await load()
  if (!('reason' in calls)) return calls
  environment.log.info('sendfile.unavailable', { reason: calls.reason })
  return undefined
}

/** The engine is open by now: a first administrator that cannot be made must not leave it so. */
const openIdentity = async (
  { values, environment }: ServerOptions,
  policy: AuthPolicy,
  broker: Broker,
  { meters }: Guards,
): Promise<BrokerIdentity> => {
  const onLoginFailed = (): void => meters.loginFailed()
  try {
    return await createBrokerIdentity({ values, policy, broker, environment, onLoginFailed })
  } catch (error) {
    await broker.close()
    throw error
  }
}

/** `undefined`: no TLS. Bad certificates fail the start before anything is opened. */
const openCertificates = ({
  values,
  environment,
  certificateFiles,
}: ServerOptions): Certificates | undefined => {
  const settings = tlsSettingsOf(values)
  if (settings === undefined) return undefined
  const { log, timers, clock } = environment
  const files = certificateFiles ?? nodeCertificateFiles
  return new Certificates(settings, { files, log, timers, nowMs: () => clock.now() })
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
  readonly #composition: Composition
  readonly #guards: Guards
  readonly reloadCertificates: (() => void) | undefined
  readonly isLoginRequired: () => boolean
  readonly #listeners: { readonly row: ListenerRow; readonly listener: Listener }[] = []
  #isServing = false
  #stopped: Promise<void> | undefined

  constructor(
    options: ServerOptions,
    composition: Composition,
    guards: Guards,
    identity: BrokerIdentity,
  ) {
    this.isLoginRequired = identity.isRequired
    this.#guards = guards
    this.broker = composition.services.broker
    this.#options = options
    this.#composition = composition
    const { certificates } = composition
    this.reloadCertificates = certificates && (() => void certificates.reload())
  }

  get isServing(): boolean {
    return this.#isServing
  }

  connectionCount(): number {
    return this.#composition.counter.count
  }

  async listen(): Promise<void> {
    const { values } = this.#options
    for (const row of listenerTable) {
      const listener = createListener(row, values, this.#composition)
      if (listener !== undefined) await this.#bind(row, listener)
    }
    this.#isServing = true
    void this.#guards.alarms.look()
    this.#guards.idleCollection.start()
    this.#composition.certificates?.watch()
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
    this.#guards.alarms.stop()
    this.#guards.idleCollection.stop()
    if (values.readyFile !== '') removeReadyFile(values.readyFile)
    const { certificates, gateways, http } = this.#composition
    certificates?.stop()
    this.#closeListeners((row) => row.speaks !== 'http')
    const sessions = Object.values(gateways).map((gateway) => gateway.close(deadlineMs))
    await Promise.all(sessions)
    // Not before: the status is worth asking for while the broker drains. A closed engine has none.
    this.#closeListeners((row) => row.speaks === 'http')
    http.close()
    await this.broker.close()
  }

  #closeListeners(isChosen: (row: ListenerRow) => boolean): void {
    for (const { row, listener } of this.#listeners) if (isChosen(row)) listener.close()
  }

  async #bind(
    row: ListenerRow & { readonly name: ListenerName },
    listener: Listener,
  ): Promise<void> {
    try {
      this.ports[row.name] = await listener.listen()
      this.#listeners.push({ row, listener })
    } catch (error) {
      const port = this.#options.values[row.portKey]
      const failure = new ListenError(row, port, (error as { code?: string }).code ?? '?')
      const isFatal = row.name === 'native' || this.#options.isBusyGatewayFatal
      if (isFatal || failure.code !== 'EADDRINUSE') throw failure
      this.#options.environment.log.warn('listener.port-busy', { reason: failure.message })
    }
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
