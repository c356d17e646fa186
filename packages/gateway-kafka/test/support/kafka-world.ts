/** The gateway over the real engine, in a directory of its own. Its timers run when a test says so. */
import {
  type Authenticator,
  type Authorizer,
  type Broker,
  type BrokerOptions,
  createNodeEnvironment,
  type EngineLog,
  type Environment,
  openBroker,
  type Services,
  type TimerHandle,
} from '@millrace/core'
import { createCompression } from '@millrace/compression'
import { temporaryDirectory } from '@millrace/testing'
import { KafkaGateway, type KafkaSettings } from '../../src/index.ts'
import { KafkaPeer } from './kafka-peer.ts'

interface WaitingTimer {
  readonly atMs: number
  readonly callback: () => void
}

/** Time stands still until it is moved. */
export class ManualTimers {
  nowMs = 0
  readonly #waiting = new Set<WaitingTimer>()

  get count(): number {
    return this.#waiting.size
  }

  readonly after = (delayMs: number, callback: () => void): TimerHandle => {
    const timer = { atMs: this.nowMs + delayMs, callback }
    this.#waiting.add(timer)
    return { cancel: () => void this.#waiting.delete(timer) }
  }

  readonly defer = (callback: () => void): void => void setImmediate(callback)

  advance(ms: number): void {
    this.nowMs += ms
    for (const timer of [...this.#waiting]) {
      if (timer.atMs > this.nowMs || !this.#waiting.delete(timer)) continue
      timer.callback()
    }
  }
}

export const anonymousOnly: Authenticator = {
  mechanisms: ['ANONYMOUS'],
  mechanismsFor: () => ['ANONYMOUS'],
  begin: () => ({
    step: async () => ({ kind: 'principal', principal: { name: 'anyone', isAnonymous: true } }),
  }),
}

const allowAll: Authorizer = { check: () => true }

export interface KafkaWorld {
  readonly broker: Broker
  readonly gateway: KafkaGateway
  readonly timers: ManualTimers
  readonly events: string[]
  connect(): KafkaPeer
  stop(): Promise<void>
}

export interface KafkaWorldOptions {
  readonly settings?: Partial<KafkaSettings>
  readonly services?: Partial<Services>
  readonly limits?: Partial<Services['limits']>
  readonly broker?: Partial<BrokerOptions>
}

const limits: Services['limits'] = {
  connectionsMax: 100,
  handshakeMsMax: 10_000,
  frameBytesMax: 1 << 20,
  bodyBytesMax: 32 << 20,
  inFlightCountMax: 1_024,
  inFlightBytesMax: 64 << 20,
  outboundBytesMax: 64 << 20,
  subscriptionsMax: 100,
}

export const openKafkaWorld = async (options: KafkaWorldOptions = {}): Promise<KafkaWorld> => {
  const directory = await temporaryDirectory()
  const events: string[] = []
  const note = (event: string): void => void events.push(event)
  const log: EngineLog = { info: () => undefined, warn: note, error: note }
  const node: Environment = { ...createNodeEnvironment({ log }) }
  const timers = new ManualTimers()
  const clock = { now: () => Date.now(), monotonic: () => timers.nowMs }
  const broker = await openBroker(
    {
      directory: directory.path,
      autoCreateTopics: true,
      compression: await createCompression(),
      poisonFreedBuffers: true,
      ...options.broker,
      onFatal: (error) => {
        throw error
      },
    },
    node,
  )
  const services: Services = {
    codecs: [],
    broker,
    authenticator: anonymousOnly,
    authorizer: allowAll,
    environment: { ...node, timers, clock },
    limits: { ...limits, ...options.limits },
    ...options.services,
  }
  const gateway = new KafkaGateway({
    namespace: '/',
    advertisedHost: undefined,
    advertisedPort: undefined,
    autoCreateTopics: true,
    ...options.settings,
  })
  return {
    broker,
    gateway,
    timers,
    events,
    connect: () => new KafkaPeer((connection) => gateway.accept(connection, services)),
    stop: async () => {
      await broker.close()
      await directory.remove()
    },
  }
}
