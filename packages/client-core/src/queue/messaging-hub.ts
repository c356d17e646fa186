/**
 * What a client has of exchanges and queues: one publisher, the consumers, and for each connection
 * one settler. Made with the first use, and over with the client.
 */
import type { BrokerError } from '@millrace/codec'
import type { BrokerSession, LiveConnection } from '../session/broker-session.ts'
import type { Connection } from '../session/connection.ts'
import { MessageEncoder, MessageIds } from './message-encoder.ts'
import { Publisher } from './publisher.ts'
import type { QueueConsumer } from './queue-consumer.ts'
import { Settler } from './settler.ts'

/** Something that takes its time to end. */
export interface Closing {
  close(): Promise<void>
}

export class MessagingHub {
  readonly session: BrokerSession
  readonly publisher: Publisher
  readonly encoder: MessageEncoder
  readonly #settlers = new Map<Connection, Settler>()
  readonly #consumers = new Set<QueueConsumer<never>>()
  readonly #workers = new Set<Closing>()

  constructor(session: BrokerSession) {
    this.session = session
    this.publisher = new Publisher(session)
    this.encoder = new MessageEncoder(new MessageIds(session.platform))
  }

  settlerOf(live: LiveConnection): Settler {
    const { connection } = live
    const known = this.#settlers.get(connection)
    if (known !== undefined) return known
    const settler = new Settler(live, this.session.options.requestTimeoutMs)
    this.#settlers.set(connection, settler)
    void connection.closed.then(() => {
      this.#settlers.delete(connection)
      settler.fail()
    })
    return settler
  }

  addConsumer(consumer: QueueConsumer<never> | QueueConsumer<unknown>): void {
    this.#consumers.add(consumer as never)
  }

  removeConsumer(consumer: QueueConsumer<never> | QueueConsumer<unknown>): void {
    this.#consumers.delete(consumer as never)
  }

  addWorker(worker: Closing): void {
    this.#workers.add(worker)
  }

  removeWorker(worker: Closing): void {
    this.#workers.delete(worker)
  }

  /** Workers finish what they are at; consumers stop; what was settled is told. */
  async drainConsumers(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close()))
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await Promise.all([...this.#settlers.values()].map((settler) => settler.drain()))
  }

  /** Takes nothing more. What was settled in this turn is still sent. */
  stop(error: BrokerError): void {
    this.publisher.stop(error)
    for (const settler of this.#settlers.values()) settler.flush()
  }

  /** Nothing more goes out or comes in. */
  onSessionEnd(error: BrokerError): void {
    this.publisher.stop(error)
    for (const consumer of [...this.#consumers]) consumer.onSessionEnd(error)
  }
}
