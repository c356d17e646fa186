/**
 * What producers, consumers and the admin share of one client: the connection there is now, and the
 * one that takes its place when it is lost. They hold this and not the connection.
 *
 * ```
 *   connecting --> live --(lost, or the broker goes away)--> waiting --> connecting ...
 *        \                                                      |
 *         `------------ refused for good, or given up ----------+--> over
 * ```
 *
 * Invariants: at most one connection is live; `onDown` runs before anybody who waits on the lost
 * connection is told, `onUp` after the new one takes requests; once it is over it stays over.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Connected, GoAway } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { asBrokerError, closedError, connectionLost, explain, explainedCopy } from '../errors.ts'
import { GO_AWAY_MS_MAX, RECONNECT_STABLE_MS } from '../limits.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import type { ClientStatus } from '../status.ts'
import type { BrokerAddress, Transport } from '../transport.ts'
import { Waiters, abortable } from '../wait.ts'
import { type CallOptions, type CallOutcome, call } from './call.ts'
import { type LiveConnection, connectFailed, dial } from './dial.ts'
import { Renewal } from './renewal.ts'
import type { TopicHandles } from './topic-handles.ts'

export type { LiveConnection } from './dial.ts'

export interface SessionListener {
  /** A connection takes requests; handles and subscriptions of the one before are gone. */
  onUp(live: LiveConnection): void
  /** The connection takes nothing new. What was asked may still be answered. */
  onDown(error: BrokerError): void
}

export interface RepeatOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** To do it twice does no harm: it is asked again when the answer was lost. */
  readonly isSafe?: boolean | undefined
}

/** The compressions that both this platform and the broker have. */
export const codecsOf = (session: BrokerSession): readonly string[] =>
  session.platform.compression === undefined ? ['none'] : session.connected.codecs

export class BrokerSession {
  readonly platform: Platform
  readonly options: ResolvedOptions
  /** Resolves when it is over: with why, or undefined after `close`. */
  readonly closed: Promise<BrokerError | undefined>
  /** What happens to the connection; set by the client. */
  onStatus: ((status: ClientStatus) => void) | undefined
  readonly #transport: Transport
  readonly #addresses: readonly BrokerAddress[]
  readonly #listeners = new Set<SessionListener>()
  readonly #liveWaiters = new Waiters()
  readonly #stopDialing = new AbortController()
  readonly #renewal: Renewal
  #live: LiveConnection | undefined
  #connected: Connected | undefined
  #liveSinceMs = 0
  #addressIndex = 0
  #attempt = 0
  #refusedCount = 0
  #lastError: BrokerError | undefined
  #cancelTimer: (() => void) | undefined
  #isClosing = false
  #isOver = false
  /** Connections that only answer what they were asked. */
  readonly #retiring = new Set<LiveConnection>()
  #end: BrokerError | undefined
  #lastSubscription = 0
  #resolveClosed!: (error: BrokerError | undefined) => void

  constructor(
    transport: Transport,
    platform: Platform,
    addresses: readonly BrokerAddress[],
    options: ResolvedOptions,
  ) {
    this.#transport = transport
    this.platform = platform
    this.#addresses = addresses
    this.options = options
    this.#renewal = new Renewal(platform, options)
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  /** The connection that takes requests. */
  get live(): LiveConnection | undefined {
    return this.#live
  }

  /** What the present broker allows; that of the last one while there is none. */
  get connected(): Connected {
    return this.#connected as Connected
  }

  /** Why nothing comes any more; `undefined` while it lives. */
  get end(): BrokerError | undefined {
    return this.#isOver ? (this.#end ?? closedError('the client')) : undefined
  }

  /** Whether a lost connection is made again. */
  get mayResume(): boolean {
    return !this.#isOver && !this.#isClosing && this.options.reconnect !== undefined
  }

  addListener(listener: SessionListener): void {
    this.#listeners.add(listener)
  }

  removeListener(listener: SessionListener): void {
    this.#listeners.delete(listener)
  }

  /** The first connection: each address once, or until one takes it with `retryInitial`. */
  async open(): Promise<void> {
    const { signal, retryInitial, reconnect } = this.options
    for (let attempt = 1; ; attempt++) {
      const errors: BrokerError[] = []
      for (const address of this.#addresses) {
        const error = await this.#tryFirst(address)
        if (error === undefined) return
        if (error.code === 'ERR_ABORTED' || this.#isOver) throw this.end ?? error
        errors.push(error)
      }
      const mayRetry = retryInitial && attempt < (reconnect?.attemptsMax ?? Infinity)
      if (!mayRetry || errors.every(({ retriable }) => !retriable)) throw this.#allFailed(errors)
      await abortable(this.#pause(attempt, errors[0] as BrokerError), signal)
    }
  }

  /** The live connection, as soon as there is one. Rejects when it is over, on time-out and abort. */
  async whenLive(timeoutMs: number, signal?: AbortSignal): Promise<LiveConnection> {
    const { end } = this
    if (end !== undefined) throw end
    if (this.#live !== undefined) return this.#live
    const waiting = this.#liveWaiters.wait()
    let cancelTimer: (() => void) | undefined
    const late = new Promise<never>((_resolve, reject) => {
      cancelTimer = this.platform.setTimer(() => reject(this.#lateError(timeoutMs)), timeoutMs)
    })
    try {
      await abortable(Promise.race([waiting, late]), signal)
    } finally {
      cancelTimer?.()
    }
    return this.whenLive(timeoutMs, signal)
  }

  /**
   * Runs it on the live connection; again on the next one when it was not done, or when doing it
   * twice does no harm.
   */
  async repeat<T>(
    run: (live: LiveConnection, outcome: CallOutcome) => Promise<T>,
    options: RepeatOptions,
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.requestTimeoutMs
    const deadlineMs = this.platform.monotonicMs() + timeoutMs
    for (;;) {
      const restMs = Math.max(1, deadlineMs - this.platform.monotonicMs())
      const live = await this.whenLive(restMs, options.signal)
      const outcome = { isUnknown: false }
      try {
        return await run(live, outcome)
      } catch (error) {
        this.#checkRepeat(live, error, outcome.isUnknown && options.isSafe !== true)
        if (this.platform.monotonicMs() >= deadlineMs) throw error
      }
    }
  }

  /** A control request; waits `requestTimeoutMs` unless the options say otherwise. */
  call<T>(
    opcode: number,
    body: Uint8Array,
    decode: (body: Uint8Array, isOwned: boolean) => T,
    options: RepeatOptions = {},
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.requestTimeoutMs
    const { signal } = options
    return this.repeat((live, outcome) => {
      const callOptions: CallOptions = { timeoutMs, signal, outcome }
      return call(live.connection, opcode, body, decode, callOptions)
    }, options)
  }

  nextSubscription(): number {
    this.#lastSubscription += 1
    return this.#lastSubscription
  }

  /** Ends it in order; answers that are due are waited for, up to 5 s. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#cancelTimer?.()
    const open = this.#live === undefined ? [] : [this.#live]
    const closing = [...open, ...this.#retiring].map(({ connection }) => connection.close())
    await Promise.all(closing)
    this.#finish(undefined)
  }

  async #tryFirst(address: BrokerAddress): Promise<BrokerError | undefined> {
    this.onStatus?.({ type: 'connecting', url: address.url })
    try {
      this.#adopt(await this.#dial(address, this.options.signal))
      return undefined
    } catch (error) {
      return asBrokerError(error)
    }
  }

  #dial(address: BrokerAddress, signal: AbortSignal | undefined): Promise<LiveConnection> {
    const { platform, options } = this
    return dial({ transport: this.#transport, platform, options }, address, signal)
  }

  /** One address: its own error. Several: what a person can act on first, else all of them. */
  #allFailed(errors: readonly BrokerError[]): BrokerError {
    const [first] = errors as [BrokerError]
    const refusal = errors.find(({ code }) => code !== 'ERR_CONNECT_FAILED')
    if (errors.length === 1 || refusal !== undefined) return refusal ?? first
    const urls = this.#addresses.map(({ url }) => url).join(', ')
    return connectFailed(urls, errors.map(({ message }) => message).join('; '), first)
  }

  #pause(attempt: number, error: BrokerError): Promise<void> {
    const delayMs = this.#delayMs(attempt - 1)
    this.onStatus?.({ type: 'reconnecting', attempt, delayMs, error })
    return new Promise((resolve) => {
      this.#cancelTimer = this.platform.setTimer(resolve, delayMs)
    })
  }

  #adopt(live: LiveConnection): void {
    const { connection, connected, address } = live
    if (this.#isOver || this.#isClosing) return connection.fail(closedError('the client'))
    this.#live = live
    this.#connected = connected
    this.#addressIndex = this.#addresses.indexOf(address)
    this.#liveSinceMs = this.platform.monotonicMs()
    this.#refusedCount = 0
    connection.onEnd = (error) => this.#onConnectionEnd(live, error)
    connection.onGoAway = (goAway) => this.#onGoAway(live, goAway)
    this.#renewal.watch(live)
    this.onStatus?.({ type: 'connected', url: address.url })
    for (const listener of [...this.#listeners]) listener.onUp(live)
    this.#liveWaiters.resolveAll()
    // It may have ended between its handshake and now.
    if (connection.closeReason !== undefined) this.#onConnectionEnd(live, connection.closeReason)
  }

  #onConnectionEnd(live: LiveConnection, error: BrokerError | undefined): void {
    this.#retiring.delete(live)
    if (this.#live !== live) return
    if (this.#isClosing) return this.#finish(error)
    const reason = error ?? connectionLost('the broker ended it')
    this.#leave(reason)
    if (this.options.reconnect === undefined) return this.#finish(reason)
    this.#notifyDown(reason)
    this.#plan(reason)
  }

  #onGoAway(live: LiveConnection, { reason, reconnectAfterMs }: GoAway): void {
    if (this.#live !== live || this.#isClosing) return
    this.onStatus?.({ type: 'going-away', url: live.address.url, reason, reconnectAfterMs })
    if (this.options.reconnect === undefined) return
    this.#handOver(live, this.#addresses.length > 1 ? 0 : reconnectAfterMs)
  }

  /** The old connection ends by itself, once it has answered what it was asked. */
  #handOver(live: LiveConnection, afterMs: number): void {
    const error = new BrokerError('ERR_GOING_AWAY')
    this.#leave(error)
    this.#retiring.add(live)
    this.#notifyDown(error)
    live.connection.retire()
    this.#plan(error, Math.min(afterMs, GO_AWAY_MS_MAX))
  }

  #leave(error: BrokerError): void {
    this.#live = undefined
    this.#lastError = error
    this.#renewal.stop()
    this.#addressIndex = (this.#addressIndex + 1) % this.#addresses.length
    const aliveMs = this.platform.monotonicMs() - this.#liveSinceMs
    if (aliveMs >= RECONNECT_STABLE_MS) this.#attempt = 0
  }

  #notifyDown(error: BrokerError): void {
    for (const listener of [...this.#listeners]) listener.onDown(error)
  }

  /** Every address is tried before the waits grow. */
  #delayMs(attempt: number): number {
    const { delayMsMin = 1, delayMsMax = 1 } = this.options.reconnect ?? {}
    const round = Math.floor(attempt / this.#addresses.length)
    const options = { initialMs: delayMsMin, ceilingMs: delayMsMax }
    return backoffMs(options, round, this.platform.random())
  }

  #plan(error: BrokerError, afterMs = 0): void {
    if (this.#isOver || this.#isClosing) return
    const attemptsMax = this.options.reconnect?.attemptsMax ?? 0
    if (this.#attempt >= attemptsMax) return this.#finish(error)
    const delayMs = afterMs + this.#delayMs(this.#attempt)
    this.#attempt += 1
    this.onStatus?.({ type: 'reconnecting', attempt: this.#attempt, delayMs, error })
    this.#cancelTimer = this.platform.setTimer(() => void this.#reconnect(), delayMs)
  }

  async #reconnect(): Promise<void> {
    const address = this.#addresses[this.#addressIndex] as BrokerAddress
    this.onStatus?.({ type: 'connecting', url: address.url })
    try {
      this.#adopt(await this.#dial(address, this.#stopDialing.signal))
    } catch (error) {
      this.#onDialFailed(asBrokerError(error))
    }
  }

  /** What every broker refuses for good will not get better by asking. */
  #onDialFailed(error: BrokerError): void {
    if (this.#isOver || this.#isClosing) return
    this.#lastError = error
    this.#refusedCount = error.retriable ? 0 : this.#refusedCount + 1
    if (this.#refusedCount >= this.#addresses.length) return this.#finish(error)
    this.#addressIndex = (this.#addressIndex + 1) % this.#addresses.length
    this.#plan(error)
  }

  #finish(error: BrokerError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end = error
    this.#live = undefined
    this.#cancelTimer?.()
    this.#renewal.stop()
    this.#stopDialing.abort(closedError('the client'))
    this.#liveWaiters.rejectAll(this.end)
    this.#resolveClosed(error)
  }

  #lateError(timeoutMs: number): BrokerError {
    const error = new BrokerError('ERR_TIMED_OUT', [timeoutMs], { cause: this.#lastError })
    return explain(error, `there is no connection: ${this.#lastError?.message ?? 'none yet'}`)
  }

  /** Throws the error unless it may be asked again. */
  #checkRepeat(live: LiveConnection, error: unknown, isUnknown: boolean): void {
    if (!isBrokerError(error) || !this.mayResume) throw error
    if (error.code === 'ERR_GOING_AWAY') {
      // Refused before the broker said so to everybody.
      if (this.#live === live) this.#handOver(live, 0)
      return
    }
    if (error.code !== 'ERR_CONNECTION_LOST') throw error
    if (isUnknown) throw explainedCopy(error, 'it may or may not have happened')
  }

  /** @internal */
  get topics(): TopicHandles {
    const { end } = this
    if (this.#live === undefined) throw end ?? this.#lastError ?? closedError('the client')
    return this.#live.topics
  }
}
