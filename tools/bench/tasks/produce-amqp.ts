/**
 * Publishes AMQP messages without a client library: frames made beforehand, as many under way as the
 * window takes, all that a read has made room for in one write. Without confirms it writes as fast as
 * the socket takes it.
 */
import { AmqpConnection, type FrameListener } from './amqp-connection.ts'
import { ackTag, isAckMultiple, methodFrame, methods, publishFrames, uint8 } from './amqp-frames.ts'
import { ConfirmWindow } from './confirm-window.ts'
import { sharedNow } from './now.ts'
import { payloadOf } from './payload.ts'
import type { Report } from './tasks.ts'

/** Frames in a row, so that a write needs no copy. */
const RUN_BYTES_MIN = 256 * 1024
/** A write of a producer without confirms. */
const WRITE_COUNT = 512

export interface AmqpMessages {
  readonly port: number
  readonly exchange: string
  /** One after the other, round and round. */
  readonly routingKeys: readonly string[]
  readonly payloadBytes: number
  readonly isPersistent: boolean
}

export interface AmqpProduceParameters extends AmqpMessages {
  readonly messageCount: number
  /** Publications whose confirm is still to come; 0: without confirms. */
  readonly windowCount: number
  /** Tells how many are confirmed, about so often. */
  readonly reportEveryCount?: number
}

export interface AmqpProduced {
  readonly messageCount: number
  readonly payloadBytes: number
  readonly elapsedMs: number
  /** Of `sharedNow`: when the first was written. */
  readonly startedAt: number
}

/** Publications in a row, and where each begins. */
export class PublishRun {
  readonly count: number
  readonly #bytes: Uint8Array
  readonly #starts: readonly number[]

  constructor({ exchange, routingKeys, payloadBytes, isPersistent }: AmqpMessages) {
    const content = { payload: payloadOf(payloadBytes), isPersistent }
    const round = routingKeys.map((key) => publishFrames(exchange, key, content))
    const roundBytes = round.reduce((sum, { length }) => sum + length, 0)
    const rounds = Math.ceil(RUN_BYTES_MIN / roundBytes)
    const frames = Array.from({ length: rounds }, () => round).flat()
    const starts = [0]
    for (const { length } of frames) starts.push((starts.at(-1) ?? 0) + length)
    this.count = frames.length
    this.#bytes = Buffer.concat(frames)
    this.#starts = starts
  }

  /** From publication `index` on, `count` of them or as many as there are to the end of the run. */
  slice(index: number, count: number): { readonly bytes: Uint8Array; readonly count: number } {
    const first = index % this.count
    const taken = Math.min(count, this.count - first)
    const bytes = this.#bytes.subarray(this.#starts[first], this.#starts[first + taken])
    return { bytes, count: taken }
  }
}

class ConfirmedLoad implements FrameListener {
  readonly #connection: AmqpConnection
  readonly #run: PublishRun
  readonly #window: ConfirmWindow
  readonly #messageCount: number
  readonly #reportEveryCount: number
  readonly #report: Report
  #reportedCount = 0
  #resolve!: () => void
  readonly #done = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  constructor(connection: AmqpConnection, parameters: AmqpProduceParameters, report: Report) {
    this.#connection = connection
    this.#run = new PublishRun(parameters)
    this.#window = new ConfirmWindow(parameters.windowCount)
    this.#messageCount = parameters.messageCount
    this.#reportEveryCount = parameters.reportEveryCount ?? Number.POSITIVE_INFINITY
    this.#report = report
  }

  async run(): Promise<void> {
    this.#connection.listen(this)
    this.#refill()
    await Promise.race([this.#done, this.#connection.failed])
  }

  onFrame(bytes: Uint8Array, at: number, _type: number, method: number): void {
    if (method === methods.basicAck) {
      this.#window.confirm(ackTag(bytes, at), isAckMultiple(bytes, at))
    } else if (method === methods.basicNack) {
      this.#connection.fail(new Error('a message was refused'))
    }
  }

  onReadEnd(): void {
    const { confirmedCount } = this.#window
    if (confirmedCount === this.#messageCount) this.#resolve()
    else this.#refill()
    if (confirmedCount - this.#reportedCount < this.#reportEveryCount) return
    this.#reportedCount = confirmedCount
    this.#report(confirmedCount)
  }

  onDrain(): void {
    // The window bounds what is written.
  }

  #refill(): void {
    const left = this.#messageCount - this.#window.sentCount
    let room = Math.min(this.#window.room, left)
    while (room > 0) {
      const { bytes, count } = this.#run.slice(this.#window.sentCount, room)
      this.#window.sent(count)
      this.#connection.write(bytes)
      room -= count
    }
  }
}

class UnconfirmedLoad implements FrameListener {
  readonly #connection: AmqpConnection
  readonly #run: PublishRun
  readonly #messageCount: number
  #sentCount = 0
  #resolve!: () => void
  readonly #done = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  constructor(connection: AmqpConnection, parameters: AmqpProduceParameters) {
    this.#connection = connection
    this.#run = new PublishRun(parameters)
    this.#messageCount = parameters.messageCount
  }

  async run(): Promise<void> {
    this.#connection.listen(this)
    this.onDrain()
    await Promise.race([this.#done, this.#connection.failed])
  }

  onFrame(): void {
    // Nothing is awaited.
  }

  onReadEnd(): void {
    // Nothing is awaited.
  }

  onDrain(): void {
    let isRoom = true
    while (isRoom && this.#sentCount < this.#messageCount) {
      const wanted = Math.min(WRITE_COUNT, this.#messageCount - this.#sentCount)
      const { bytes, count } = this.#run.slice(this.#sentCount, wanted)
      this.#sentCount += count
      isRoom = this.#connection.write(bytes)
    }
    if (this.#sentCount === this.#messageCount) this.#resolve()
  }
}

export const selectConfirms = async (connection: AmqpConnection): Promise<void> => {
  const select = methodFrame(methods.confirmSelect, [uint8(0)])
  await connection.call(select, methods.confirmSelectOk)
}

/** Ends when all is confirmed, or without confirms when the peer has taken all. */
export const produceAmqp = async (
  parameters: AmqpProduceParameters,
  report: Report,
): Promise<AmqpProduced> => {
  const connection = await AmqpConnection.open(parameters.port)
  try {
    const hasConfirms = parameters.windowCount > 0
    if (hasConfirms) await selectConfirms(connection)
    const load = hasConfirms
      ? new ConfirmedLoad(connection, parameters, report)
      : new UnconfirmedLoad(connection, parameters)
    const startedAt = sharedNow()
    await load.run()
    await connection.close()
    const elapsedMs = sharedNow() - startedAt
    const { messageCount, payloadBytes } = parameters
    return { messageCount, payloadBytes: messageCount * payloadBytes, elapsedMs, startedAt }
  } finally {
    connection.destroy()
  }
}
