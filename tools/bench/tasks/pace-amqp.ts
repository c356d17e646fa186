/**
 * How long an AMQP confirm takes, without a client library. In an open loop every message has its
 * moment, whatever the broker does meanwhile, and its latency counts from that moment; one at a time
 * the next goes when the last is confirmed.
 */
import { type Latencies, latenciesOf } from '../statistics.ts'
import { AmqpConnection, type FrameListener } from './amqp-connection.ts'
import { ackTag, isAckMultiple, methods } from './amqp-frames.ts'
import { ConfirmWindow } from './confirm-window.ts'
import { type AmqpMessages, PublishRun, selectConfirms } from './produce-amqp.ts'
import { startTicker } from './ticker.ts'

const TICK_MS = 0.25
const UNDER_WAY_MAX = 65_536

export interface AmqpPaceParameters extends AmqpMessages {
  readonly messageCount: number
  /** Messages at the start that are not measured. */
  readonly warmUpCount: number
  /** 0: one at a time. */
  readonly messagesPerSecond: number
}

export interface AmqpPaced {
  /** From the intended moment to the confirm. */
  readonly confirmed: Latencies
  /** From the intended moment to the write: what the generator itself is late by. */
  readonly late: Latencies
  readonly messageCount: number
  readonly elapsedMs: number
}

class PacedLoad implements FrameListener {
  readonly #connection: AmqpConnection
  readonly #parameters: AmqpPaceParameters
  readonly #run: PublishRun
  readonly #window: ConfirmWindow
  readonly #confirmed: number[] = []
  readonly #late: number[] = []
  /** Of every message, by its tag less one. */
  readonly #intendedAt: Float64Array
  readonly #startedAt = performance.now()
  #resolve!: () => void
  readonly #done = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  constructor(connection: AmqpConnection, parameters: AmqpPaceParameters) {
    this.#connection = connection
    this.#parameters = parameters
    this.#run = new PublishRun(parameters)
    this.#window = new ConfirmWindow(UNDER_WAY_MAX, (tag) => this.#take(tag))
    this.#intendedAt = new Float64Array(parameters.messageCount)
  }

  async run(): Promise<AmqpPaced> {
    this.#connection.listen(this)
    if (this.#isOneAtATime) this.#send(performance.now())
    else await this.#sendAll()
    await Promise.race([this.#done, this.#connection.failed])
    return {
      confirmed: latenciesOf(this.#confirmed),
      late: latenciesOf(this.#late),
      messageCount: this.#window.sentCount,
      elapsedMs: performance.now() - this.#startedAt,
    }
  }

  onFrame(bytes: Uint8Array, at: number, _type: number, method: number): void {
    if (method === methods.basicAck) {
      this.#window.confirm(ackTag(bytes, at), isAckMultiple(bytes, at))
    } else if (method === methods.basicNack) {
      this.#connection.fail(new Error('a message was refused'))
    }
  }

  onReadEnd(): void {
    const { confirmedCount, sentCount } = this.#window
    if (confirmedCount === this.#parameters.messageCount) this.#resolve()
    else if (this.#isOneAtATime && confirmedCount === sentCount) this.#send(performance.now())
  }

  onDrain(): void {
    // Moments do not wait for room.
  }

  get #isOneAtATime(): boolean {
    return this.#parameters.messagesPerSecond === 0
  }

  async #sendAll(): Promise<void> {
    const { messageCount } = this.#parameters
    const sent = new Promise<void>((resolve) => {
      const ticker = startTicker(TICK_MS, () => {
        this.#sendDue()
        if (this.#window.sentCount < messageCount) return
        ticker.stop()
        resolve()
      })
      this.#connection.failed.catch(() => ticker.stop())
    })
    await Promise.race([sent, this.#connection.failed])
  }

  /** All messages up to the moment that has come. */
  #sendDue(): void {
    const { messageCount, messagesPerSecond } = this.#parameters
    const moment = Math.floor((performance.now() - this.#startedAt) / TICK_MS)
    const due = Math.min(messageCount, Math.floor((moment * TICK_MS * messagesPerSecond) / 1000))
    while (this.#window.sentCount < due) {
      const exactMs = ((this.#window.sentCount + 1) * 1000) / messagesPerSecond
      this.#send(this.#startedAt + Math.ceil(exactMs / TICK_MS) * TICK_MS)
    }
  }

  #send(intendedAt: number): void {
    const index = this.#window.sentCount
    this.#intendedAt[index] = intendedAt
    this.#window.sent(1)
    if (index >= this.#parameters.warmUpCount) this.#late.push(performance.now() - intendedAt)
    this.#connection.write(this.#run.slice(index, 1).bytes)
  }

  #take(tag: number): void {
    if (tag <= this.#parameters.warmUpCount) return
    this.#confirmed.push(performance.now() - (this.#intendedAt[tag - 1] ?? Number.NaN))
  }
}

export const paceAmqp = async (parameters: AmqpPaceParameters): Promise<AmqpPaced> => {
  const connection = await AmqpConnection.open(parameters.port)
  try {
    await selectConfirms(connection)
    const paced = await new PacedLoad(connection, parameters).run()
    await connection.close()
    return paced
  } finally {
    connection.destroy()
  }
}
