/**
 * Messages and settlements that happen together or not at all, also across a crash of the broker.
 * Nothing leaves before the function is done: what it throws is thrown on, and nothing was done.
 */
import { BrokerError } from '@millrace/codec'
import {
  decodePublished,
  encodeCommit,
  Opcode,
  type Published,
  type PublishedMessage,
  type Settlement,
  SettleOutcome,
} from '@millrace/protocol'
import { explainedCopy, invalidArgument } from '../errors.ts'
import { resolveCodec } from '../payload-codec.ts'
import type { LiveConnection } from '../session/broker-session.ts'
import { call, type CallOutcome } from '../session/call.ts'
import type { WaitOptions } from '../wait.ts'
import type { Delivery, NackOptions } from './delivery.ts'
import type { Exchange } from './exchange.ts'
import type { MessageOptions } from './message-options.ts'
import type { MessagingHub } from './messaging-hub.ts'
import type { Queue } from './queue.ts'
import { rangesOf, type Settler } from './settler.ts'

/** Its bytes are views of buffers that the next message fills again. */
const keep = (message: PublishedMessage): PublishedMessage => ({
  ...message,
  key: message.key === undefined ? undefined : new Uint8Array(message.key),
  headers: new Uint8Array(message.headers),
  payload: new Uint8Array(message.payload),
})

interface Claim {
  readonly delivery: Delivery<unknown>
  readonly outcome: SettleOutcome
}

export class Transaction {
  readonly #hub: MessagingHub
  readonly #json = resolveCodec<unknown>('json')
  readonly #messages: PublishedMessage[] = []
  readonly #claims: Claim[] = []
  #isOver = false

  /** @internal Made by `client.transaction(run)`. */
  constructor(hub: MessagingHub) {
    this.#hub = hub
  }

  /** To an exchange, by name (the payload as JSON) or as `client.exchange` made it. */
  publish<T>(
    exchange: string | Exchange<T>,
    routingKey: string,
    payload: T,
    options: MessageOptions = {},
  ): void {
    this.#checkOpen()
    const isName = typeof exchange === 'string'
    const name = isName ? exchange : exchange.name
    const codec = isName ? this.#json : exchange.sender.codec
    const { encoder } = this.#hub
    this.#messages.push(keep(encoder.encode(name, routingKey, payload, codec as never, options)))
  }

  /** To a queue, by name (the payload as JSON) or as `client.queue` made it. */
  send<T>(queue: string | Queue<T>, payload: T, options: MessageOptions = {}): void {
    this.#checkOpen()
    const isName = typeof queue === 'string'
    const name = isName ? queue : queue.name
    const codec = isName ? this.#json : queue.sender.codec
    const { encoder } = this.#hub
    this.#messages.push(keep(encoder.encode('', name, payload, codec as never, options)))
  }

  /** Throws ERR_UNKNOWN_DELIVERY when it was settled before. */
  ack<T>(delivery: Delivery<T>): void {
    this.#claim(delivery, SettleOutcome.ACK)
  }

  nack<T>(delivery: Delivery<T>, { requeue = true }: Pick<NackOptions, 'requeue'> = {}): void {
    this.#claim(delivery, requeue ? SettleOutcome.REQUEUE : SettleOutcome.REJECT)
  }

  /** The message as it is goes to an exchange, and is done here. */
  forward<T>(delivery: Delivery<T>, exchange: string, routingKey: string): void {
    this.ack(delivery)
    this.#messages.push(delivery.asPublished(exchange, routingKey))
  }

  /** @internal Answers how many targets each message reached. */
  async commit({ signal }: WaitOptions): Promise<readonly number[]> {
    this.#isOver = true
    if (this.#messages.length === 0 && this.#claims.length === 0) return []
    const live = await this.#connection(signal)
    const outcome: CallOutcome = { isUnknown: false }
    try {
      const { outcomes } = await this.#send(live, outcome, signal)
      for (const { delivery } of this.#claims) delivery.noteSettled()
      return outcomes.map(({ targets }) => targets)
    } catch (error) {
      if (!outcome.isUnknown) throw error
      throw explainedCopy(error as BrokerError, 'the transaction may or may not have happened')
    }
  }

  /** @internal Nothing of it happened. */
  abandon(): void {
    this.#isOver = true
    for (const { delivery } of this.#claims) delivery.release()
  }

  #claim(delivery: Delivery<never> | Delivery<unknown>, outcome: SettleOutcome): void {
    this.#checkOpen()
    const first = this.#claims[0]?.delivery.settler
    if (first !== undefined && first !== delivery.settler) {
      throw invalidArgument('delivery', 'it came by another connection than the one before')
    }
    if (!delivery.settler.isUsable) throw delivery.settler.staleError()
    delivery.claim()
    this.#claims.push({ delivery: delivery as Delivery<unknown>, outcome })
  }

  #checkOpen(): void {
    if (this.#isOver) throw new BrokerError('ERR_CLOSED', ['the transaction'])
  }

  /** That of the deliveries, or with none the live one. */
  async #connection(signal: AbortSignal | undefined): Promise<LiveConnection['connection']> {
    const settler: Settler | undefined = this.#claims[0]?.delivery.settler
    if (settler === undefined) {
      const { session } = this.#hub
      return (await session.whenLive(session.options.requestTimeoutMs, signal)).connection
    }
    if (!settler.isUsable) throw settler.staleError()
    return settler.connection
  }

  #send(
    connection: LiveConnection['connection'],
    outcome: CallOutcome,
    signal: AbortSignal | undefined,
  ): Promise<Published> {
    const body = encodeCommit({ settlements: this.#settlements(), messages: this.#messages })
    const timeoutMs = this.#hub.session.options.requestTimeoutMs
    return call(connection, Opcode.COMMIT, body, decodePublished, { timeoutMs, signal, outcome })
  }

  #settlements(): Settlement[] {
    const settlements: Settlement[] = []
    for (const outcome of Object.values(SettleOutcome)) {
      const claims = this.#claims.filter((claim) => claim.outcome === outcome)
      for (const range of rangesOf(claims.map(({ delivery }) => delivery.tag))) {
        settlements.push({ ...range, outcome })
      }
    }
    return settlements
  }
}

/** Runs the function and commits; answers what it answered. */
export const runTransaction = async <Result>(
  hub: MessagingHub,
  run: (transaction: Transaction) => Promise<Result> | Result,
  options: WaitOptions,
): Promise<Result> => {
  const transaction = new Transaction(hub)
  try {
    const result = await run(transaction)
    await transaction.commit(options)
    return result
  } catch (error) {
    transaction.abandon()
    throw error
  }
}
