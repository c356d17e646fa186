/** The gateway over a broker of queues in memory. Time stands still, and turns pass when asked. */
import type {
  Authenticator,
  Authorizer,
  Broker,
  EngineLog,
  Environment,
  Services,
  TimerHandle,
} from '@millrace/core'
import { AmqpGateway, type AmqpSettings } from '../../src/index.ts'
import { AmqpPeer } from './amqp-peer.ts'
import { FakeMessaging } from './fake-messaging.ts'

interface WaitingTimer {
  readonly atMs: number
  readonly callback: () => void
}

/** What is deferred waits for `turn`. */
export class ManualTimers {
  nowMs = 0
  #deferred: (() => void)[] = []
  readonly #waiting = new Set<WaitingTimer>()

  get count(): number {
    return this.#waiting.size
  }

  readonly after = (delayMs: number, callback: () => void): TimerHandle => {
    const timer = { atMs: this.nowMs + delayMs, callback }
    this.#waiting.add(timer)
    return { cancel: () => void this.#waiting.delete(timer) }
  }

  readonly defer = (callback: () => void): void => void this.#deferred.push(callback)

  turn(): void {
    const due = this.#deferred
    this.#deferred = []
    for (const callback of due) callback()
  }

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
    step: async () => ({ kind: 'principal', principal: { name: 'anonymous', isAnonymous: true } }),
  }),
}

const allowAll: Authorizer = { check: () => true }

export interface AmqpWorld {
  readonly messaging: FakeMessaging
  readonly gateway: AmqpGateway
  readonly timers: ManualTimers
  readonly events: string[]
  /** Of each event, as the log has it. */
  readonly reasons: string[]
  connect(): AmqpPeer
  /** Everything that is due has run. */
  turn(): Promise<void>
}

export interface AmqpWorldOptions {
  readonly settings?: Partial<AmqpSettings>
  readonly services?: Partial<Services>
  readonly limits?: Partial<Services['limits']>
  readonly broker?: Partial<Broker>
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

const settings: AmqpSettings = {
  product: 'RabbitMQ',
  version: '3.13.7',
  heartbeatSeconds: 60,
  frameBytesMax: 131_072,
  channelsMax: 2_047,
  messageBytesMax: 1_000_000,
}

const TURNS = 6

export const openAmqpWorld = (options: AmqpWorldOptions = {}): AmqpWorld => {
  const messaging = new FakeMessaging()
  const events: string[] = []
  const reasons: string[] = []
  const note = (event: string, fields: Record<string, unknown> = {}): void => {
    events.push(event)
    reasons.push(String(fields['reason']))
  }
  const log: EngineLog = { info: () => undefined, warn: note, error: note }
  const timers = new ManualTimers()
  let random = 0
  const environment = {
    clock: { now: () => 1_700_000_000_000 + timers.nowMs, monotonic: () => timers.nowMs },
    timers,
    random: { uint32: () => ++random },
    log,
  } as unknown as Environment
  const broker = {
    messaging,
    hasNamespace: (namespace: string) => namespace === '/' || namespace === 'shop',
    ...options.broker,
  } as unknown as Broker
  const services: Services = {
    codecs: [],
    broker,
    authenticator: anonymousOnly,
    authorizer: allowAll,
    environment,
    limits: { ...limits, ...options.limits },
    ...options.services,
  }
  const gateway = new AmqpGateway({ ...settings, ...options.settings })
  const turn = async (): Promise<void> => {
    for (let count = 0; count < TURNS; count++) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
      messaging.turn()
      timers.turn()
    }
  }
  return {
    messaging,
    gateway,
    timers,
    events,
    reasons,
    turn,
    connect: () => new AmqpPeer((connection) => gateway.accept(connection, services), turn),
  }
}
