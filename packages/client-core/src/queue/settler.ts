/**
 * What became of the deliveries of one connection, told in batches: everything that is settled the
 * same way within a turn of the event loop shares a SETTLE, its answer and one promise.
 *
 * It dies with its connection. The broker has put back what was not settled then, so that a delivery
 * of an earlier connection can only be told so.
 */
import { BrokerError } from '@millrace/codec'
import { encodeSettle, Opcode, type SettleOutcome, type TagRange } from '@millrace/protocol'
import { asBrokerError, explainedCopy } from '../errors.ts'
import { SETTLE_RANGES_MAX } from '../limits.ts'
import type { LiveConnection } from '../session/broker-session.ts'
import type { Connection, TurnTask } from '../session/connection.ts'
import type { AnswerSink } from '../session/request-map.ts'

const STALE = 'the delivery came by it: the message is delivered again, and its ack is void'

const ignore = (): void => undefined

/** A rejection that nobody waits for must not end the program: the message comes again. */
const quiet = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(ignore)
  return promise
}

interface Group {
  readonly outcome: SettleOutcome
  readonly isDurable: boolean
  readonly tags: number[]
  readonly settled: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: BrokerError) => void
}

const makeGroup = (outcome: SettleOutcome, isDurable: boolean): Group => {
  let resolve!: () => void
  let reject!: (error: BrokerError) => void
  const settled = quiet(
    new Promise<void>((onDone, onFailed) => {
      resolve = onDone
      reject = onFailed
    }),
  )
  return { outcome, isDurable, tags: [], settled, resolve, reject }
}

/** Neighbours become one range. */
export const rangesOf = (tags: readonly number[]): TagRange[] => {
  const ranges: { from: number; to: number }[] = []
  for (const tag of [...tags].sort((left, right) => left - right)) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to + 1 === tag) last.to = tag
    else ranges.push({ from: tag, to: tag })
  }
  return ranges
}

export class Settler implements TurnTask {
  readonly connection: Connection
  readonly #timeoutMs: number
  /** Those of this turn, by outcome and wish. */
  #groups: Group[] = []
  /** Sent, and not answered. */
  readonly #unanswered = new Set<Promise<void>>()

  constructor(live: LiveConnection, timeoutMs: number) {
    this.connection = live.connection
    this.#timeoutMs = timeoutMs
  }

  get isUsable(): boolean {
    return this.connection.isOpen
  }

  /** Resolves when the broker has it; durable: when it is on disk. */
  settle(tag: number, outcome: SettleOutcome, isDurable: boolean): Promise<void> {
    if (!this.isUsable) return quiet(Promise.reject(this.staleError()))
    if (this.#groups.length === 0) this.connection.atTurnEnd(this)
    let group = this.#groups.find(
      (known) => known.outcome === outcome && known.isDurable === isDurable,
    )
    if (group === undefined) this.#groups.push((group = makeGroup(outcome, isDurable)))
    group.tags.push(tag)
    return group.settled
  }

  staleError(): BrokerError {
    const error = this.connection.closeReason ?? new BrokerError('ERR_GOING_AWAY')
    const lost = error.code === 'ERR_CONNECTION_LOST' ? error : lostBy(error)
    return explainedCopy(lost, STALE)
  }

  /** What was settled in this turn goes first, before a request that is made now. */
  flush(): void {
    const groups = this.#groups
    this.#groups = []
    for (const group of groups) this.#send(group)
  }

  /** Sends what is left; resolves when all of it is answered, however. */
  async drain(): Promise<void> {
    this.flush()
    await Promise.allSettled(this.#unanswered)
  }

  onTurnEnd(): void {
    this.flush()
  }

  /** The connection ended before the turn did. */
  fail(): void {
    const groups = this.#groups
    this.#groups = []
    for (const group of groups) group.reject(this.staleError())
  }

  #send(group: Group): void {
    const { settled } = group
    this.#unanswered.add(settled)
    void settled.finally(() => this.#unanswered.delete(settled)).catch(ignore)
    const ranges = rangesOf(group.tags)
    let left = Math.ceil(ranges.length / SETTLE_RANGES_MAX)
    const sink: AnswerSink = {
      onAnswer: () => void (--left === 0 && group.resolve()),
      onError: (error, isUnknown) =>
        group.reject(isUnknown ? explainedCopy(error, 'it may or may not be settled') : error),
    }
    for (let at = 0; at < ranges.length; at += SETTLE_RANGES_MAX) {
      const part = ranges.slice(at, at + SETTLE_RANGES_MAX)
      const { outcome, isDurable } = group
      this.#request(encodeSettle({ outcome, isDurable, ranges: part }), sink)
    }
  }

  #request(body: Uint8Array, sink: AnswerSink): void {
    try {
      this.connection.request(Opcode.SETTLE, 0, [body], sink, this.#timeoutMs)
    } catch (error) {
      sink.onError(asBrokerError(error), false)
    }
  }
}

const lostBy = (cause: BrokerError): BrokerError =>
  new BrokerError('ERR_CONNECTION_LOST', [cause.message], { cause })
