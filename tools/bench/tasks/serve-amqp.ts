/**
 * The bare peer that AMQP loads are tried against: it answers every method at once, confirms what one
 * read has brought with one frame, and hands as many messages to its consumers as were published, all
 * of them the first one again. It keeps, routes and checks nothing.
 */
import { type Socket, createServer } from 'node:net'
import { readUint16, readUint32 } from '@millrace/codec'
import { AmqpFrameBuffer } from './amqp-frame-buffer.ts'
import {
  ACK_FRAME_BYTES,
  EMPTY_TABLE,
  FRAME_BYTES_MAX,
  FRAME_EXTRA_BYTES,
  FRAME_HEAD_BYTES,
  type Method,
  PROTOCOL_HEADER,
  ackTag,
  frameTypes,
  longBytes,
  methodFrame,
  methods,
  shortText,
  uint16,
  uint32,
  uint64,
  uint8,
  writeAckUpTo,
  writeTag,
} from './amqp-frames.ts'
import type { Report } from './tasks.ts'

const CONSUMER_TAG = 'c'
/** Where a delivery's tag stands in its frame. */
const DELIVERY_TAG_AT = FRAME_HEAD_BYTES + 4 + 1 + CONSUMER_TAG.length
/** In one write. */
const DELIVERED_TOGETHER = 256
const UNLIMITED = Number.MAX_SAFE_INTEGER
const NO_ACK = 2

export interface ServeAmqpParameters {
  /** Ends when so many have come and gone. */
  readonly connectionCount: number
}

/** Answers that need nothing of the request. */
const answers: ReadonlyMap<number, Uint8Array> = new Map<Method, Uint8Array>([
  [
    methods.connectionStartOk,
    methodFrame(methods.connectionTune, [uint16(2047), uint32(FRAME_BYTES_MAX), uint16(0)], 0),
  ],
  [methods.connectionOpen, methodFrame(methods.connectionOpenOk, [shortText('')], 0)],
  [methods.connectionClose, methodFrame(methods.connectionCloseOk, [], 0)],
  [methods.channelOpen, methodFrame(methods.channelOpenOk, [longBytes(new Uint8Array(0))])],
  [methods.confirmSelect, methodFrame(methods.confirmSelectOk, [])],
  [methods.basicQos, methodFrame(methods.basicQosOk, [])],
  [methods.basicConsume, methodFrame(methods.basicConsumeOk, [shortText(CONSUMER_TAG)])],
])

const encoder = new TextEncoder()
const greeting = methodFrame(
  methods.connectionStart,
  [
    uint8(0),
    uint8(9),
    EMPTY_TABLE,
    longBytes(encoder.encode('PLAIN')),
    longBytes(encoder.encode('en_US')),
  ],
  0,
)

/** What all connections share: how many messages wait, and what each of them looks like. */
class Store {
  readonly #consumers = new Set<Peer>()
  #readyCount = 0
  #content: Uint8Array[] | undefined

  get hasContent(): boolean {
    return this.#content !== undefined && this.#content.length === 2
  }

  /** Header, then body, of the first message. */
  learn(frame: Uint8Array): void {
    this.#content ??= []
    this.#content.push(frame)
  }

  /** All of a delivery but its tag. */
  get delivery(): Uint8Array {
    const names = [shortText(''), shortText('q')]
    const place = [shortText(CONSUMER_TAG), uint64(0), uint8(0), ...names]
    return Buffer.concat([methodFrame(methods.basicDeliver, place), ...(this.#content ?? [])])
  }

  add(consumer: Peer): void {
    this.#consumers.add(consumer)
  }

  remove(consumer: Peer): void {
    this.#consumers.delete(consumer)
  }

  put(count: number): void {
    this.#readyCount += count
    for (const consumer of this.#consumers) consumer.deliver()
  }

  take(count: number): number {
    const taken = Math.min(count, this.#readyCount)
    this.#readyCount -= taken
    return taken
  }
}

class Peer {
  readonly #socket: Socket
  readonly #store: Store
  readonly #frames = new AmqpFrameBuffer((bytes, at) => this.#accept(bytes, at))
  #headerBytesLeft = PROTOCOL_HEADER.length
  #hasConfirms = false
  #isConsumer = false
  #prefetchCount = UNLIMITED
  #publishedCount = 0
  #confirmedCount = 0
  #deliveredCount = 0
  #ackedCount = 0
  #delivery: Uint8Array | undefined

  constructor(socket: Socket, store: Store) {
    this.#socket = socket
    this.#store = store
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('drain', () => this.deliver())
    // Who is done leaves without a farewell.
    socket.on('error', () => undefined)
    socket.on('close', () => store.remove(this))
  }

  deliver(): void {
    if (!this.#isConsumer || !this.#store.hasContent) return
    while (!this.#socket.writableNeedDrain) {
      const room = this.#prefetchCount - (this.#deliveredCount - this.#ackedCount)
      const count = this.#store.take(Math.min(room, DELIVERED_TOGETHER))
      if (count === 0) return
      this.#socket.write(this.#deliveries(count))
    }
  }

  #deliveries(count: number): Uint8Array {
    this.#delivery ??= this.#store.delivery
    const { length } = this.#delivery
    const bytes = new Uint8Array(count * length)
    for (let at = 0; at < bytes.length; at += length) {
      bytes.set(this.#delivery, at)
      this.#deliveredCount += 1
      writeTag(bytes, at + DELIVERY_TAG_AT, this.#deliveredCount)
    }
    return bytes
  }

  #read(chunk: Uint8Array): void {
    const skipped = Math.min(this.#headerBytesLeft, chunk.length)
    if (skipped > 0) {
      this.#headerBytesLeft -= skipped
      if (this.#headerBytesLeft === 0) this.#socket.write(greeting)
    }
    this.#frames.push(chunk.subarray(skipped))
    const count = this.#publishedCount - this.#confirmedCount
    if (count > 0) this.#confirm(count)
    this.deliver()
  }

  #confirm(count: number): void {
    this.#confirmedCount = this.#publishedCount
    this.#store.put(count)
    if (!this.#hasConfirms) return
    const confirm = new Uint8Array(ACK_FRAME_BYTES)
    writeAckUpTo(confirm, 0, this.#publishedCount)
    this.#socket.write(confirm)
  }

  #accept(bytes: Uint8Array, at: number): void {
    const type = bytes[at] ?? 0
    if (type === frameTypes.body) this.#publishedCount += 1
    if (type !== frameTypes.method) {
      if (!this.#store.hasContent) {
        const end = at + FRAME_EXTRA_BYTES + readUint32(bytes, at + 3)
        this.#store.learn(bytes.slice(at, end))
      }
      return
    }
    const method = readUint32(bytes, at + FRAME_HEAD_BYTES)
    if (method === methods.basicAck) this.#ackedCount = ackTag(bytes, at)
    else if (method !== methods.basicPublish) this.#answer(method, bytes, at)
  }

  #answer(method: number, bytes: Uint8Array, at: number): void {
    const answer = answers.get(method)
    if (answer !== undefined) this.#socket.write(answer)
    if (method === methods.confirmSelect) this.#hasConfirms = true
    if (method === methods.basicQos) {
      this.#prefetchCount = readUint16(bytes, at + FRAME_HEAD_BYTES + 8)
    }
    if (method !== methods.basicConsume) return
    const queueBytes = bytes[at + FRAME_HEAD_BYTES + 6] ?? 0
    const tagBytesAt = at + FRAME_HEAD_BYTES + 7 + queueBytes
    const flagsAt = tagBytesAt + 1 + (bytes[tagBytesAt] ?? 0)
    if (((bytes[flagsAt] ?? 0) & NO_ACK) !== 0) this.#prefetchCount = UNLIMITED
    this.#isConsumer = true
    this.#store.add(this)
  }
}

/** Reports its port. */
export const serveAmqp = (parameters: ServeAmqpParameters, report: Report): Promise<void> =>
  new Promise((resolve, reject) => {
    const store = new Store()
    let openCount = parameters.connectionCount
    const server = createServer({ noDelay: true }, (socket) => {
      new Peer(socket, store)
      socket.on('close', () => {
        openCount -= 1
        if (openCount === 0) server.close(() => resolve())
      })
    })
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => report((server.address() as { port: number }).port))
  })
