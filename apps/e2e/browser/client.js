/**
 * A client of the native protocol for a page, written from docs/protocol.md alone: no build, no
 * package. It is what a stranger would write in an afternoon, and no example of a good client.
 */
/* global WebSocket */
'use strict'

const Op = {
  CONNECT: 0x01,
  CLOSE: 0x05,
  TOPIC_CREATE: 0x10,
  TOPIC_OPEN: 0x15,
  PRODUCE: 0x20,
  FETCH: 0x21,
  SUBSCRIBE: 0x30,
  CREDIT: 0x32,
  DELIVER: 0x33,
  ERROR: 0x7f,
}
const MORE = 0x01

// MessagePack, as much as section 5 asks for.

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

const concat = (parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const tagged = (tag, width, write) => {
  const bytes = new Uint8Array(1 + width)
  bytes[0] = tag
  write(new DataView(bytes.buffer))
  return bytes
}

const pack = (value) => {
  if (value === true) return Uint8Array.of(0xc3)
  if (value === false) return Uint8Array.of(0xc2)
  if (typeof value === 'number')
    return tagged(0xd3, 8, (view) => view.setBigInt64(1, BigInt(value)))
  if (typeof value === 'string') {
    const text = utf8.encode(value)
    return concat([tagged(0xda, 2, (view) => view.setUint16(1, text.length)), text])
  }
  if (Array.isArray(value)) {
    return concat([tagged(0xdc, 2, (view) => view.setUint16(1, value.length)), ...value.map(pack)])
  }
  const entries = Object.entries(value)
  const items = entries.flatMap(([key, item]) => [pack(key), pack(item)])
  return concat([tagged(0xde, 2, (view) => view.setUint16(1, entries.length)), ...items])
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = 0
  }

  take(count) {
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  number(width) {
    return this.take(width).reduce((sum, byte) => sum * 256 + byte, 0)
  }

  /** Zigzag, seven bits a byte, the lowest first. */
  varint() {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.number(1)
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
  }

  unpack() {
    const tag = this.number(1)
    if (tag < 0x80) return tag
    if (tag < 0x90) return this.map(tag & 15)
    if (tag < 0xa0) return this.list(tag & 15)
    if (tag < 0xc0) return this.text(tag & 31)
    if (tag >= 0xe0) return tag - 256
    return this.unpackTagged(tag)
  }

  unpackTagged(tag) {
    if (tag === 0xc0) return null
    if (tag <= 0xc3) return tag === 0xc3
    if (tag <= 0xc6) return this.take(this.number(2 ** (tag - 0xc4)))
    if (tag === 0xcb) return new DataView(this.take(8).slice().buffer).getFloat64(0)
    if (tag <= 0xcf) return this.number(2 ** (tag - 0xcc))
    if (tag <= 0xd3) return this.signed(2 ** (tag - 0xd0))
    if (tag <= 0xdb) return this.text(this.number(2 ** (tag - 0xd9)))
    if (tag <= 0xdd) return this.list(this.number(tag === 0xdc ? 2 : 4))
    return this.map(this.number(tag === 0xde ? 2 : 4))
  }

  signed(width) {
    const value = this.number(width)
    return value < 2 ** (8 * width - 1) ? value : value - 2 ** (8 * width)
  }

  text(count) {
    return fromUtf8.decode(this.take(count))
  }

  list(count) {
    return Array.from({ length: count }, () => this.unpack())
  }

  map(count) {
    const map = {}
    for (let index = 0; index < count; index++) map[this.unpack()] = this.unpack()
    return map
  }
}

// The record batch, section 12.

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})

const crc32c = (bytes) => {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]
  return (crc ^ 0xffffffff) >>> 0
}

const varint = (value) => {
  let rest = value >= 0 ? 2 * value : -2 * value - 1
  const bytes = []
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

const sized = (text) => {
  if (text === null) return varint(-1)
  const bytes = utf8.encode(text)
  return concat([varint(bytes.length), bytes])
}

const encodeBatch = (records, timestamp) => {
  const bodies = records.map(({ key = null, value }, index) => {
    const body = concat([
      Uint8Array.of(0),
      varint(0),
      varint(index),
      sized(key),
      sized(value),
      varint(0),
    ])
    return concat([varint(body.length), body])
  })
  const batch = concat([new Uint8Array(61), ...bodies])
  const view = new DataView(batch.buffer)
  view.setInt32(8, batch.length - 12)
  view.setInt32(12, -1)
  view.setInt8(16, 2)
  view.setInt32(23, records.length - 1)
  view.setBigInt64(27, BigInt(timestamp))
  view.setBigInt64(35, BigInt(timestamp))
  view.setBigInt64(43, -1n)
  view.setInt16(51, -1)
  view.setInt32(53, -1)
  view.setInt32(57, records.length)
  view.setUint32(17, crc32c(batch.subarray(21)))
  return batch
}

const decodeBatches = (bytes) => {
  const records = []
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at)
    const length = 12 + view.getInt32(8)
    const batch = bytes.subarray(at, at + length)
    if (crc32c(batch.subarray(21)) !== view.getUint32(17)) throw new Error('a batch is damaged')
    const base = Number(view.getBigInt64(0))
    const reader = new Reader(batch)
    reader.at = 61
    for (let count = view.getInt32(57); count > 0; count--) records.push(decodeRecord(reader, base))
    at += length
  }
  return records
}

const decodeRecord = (reader, base) => {
  const end = reader.varint() + reader.at
  reader.number(1)
  reader.varint()
  const offset = base + reader.varint()
  const keyLength = reader.varint()
  const key = keyLength < 0 ? null : reader.text(keyLength)
  const valueLength = reader.varint()
  const value = valueLength < 0 ? null : reader.text(valueLength)
  reader.at = end
  return { offset, key, value }
}

// Frames and the connection.

const encodeFrame = (op, flags, correlation, body) => {
  const frame = new Uint8Array(12 + body.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, 8 + body.length)
  view.setUint8(4, op)
  view.setUint8(5, flags)
  view.setUint32(8, correlation)
  frame.set(body, 12)
  return frame
}

class Client {
  constructor(webSocket) {
    this.webSocket = webSocket
    this.frameBytesMax = 8192
    this.correlation = 0
    this.waiting = new Map()
    this.parts = new Map()
    this.onDeliver = () => undefined
    /** Everything that came: how many messages, and how many frames in the fullest. */
    this.seen = { messages: 0, framesMax: 0 }
    this.closed = new Promise((resolve) => {
      webSocket.onclose = ({ code, reason }) => {
        for (const { reject } of this.waiting.values()) reject(new Error(`closed with ${code}`))
        resolve({ code, reason })
      }
    })
    webSocket.binaryType = 'arraybuffer'
    webSocket.onmessage = ({ data }) => this.receive(new Uint8Array(data))
  }

  /** Fails with the close code when the broker does not let the page in. */
  static async open(url, changes = {}) {
    const client = new Client(new WebSocket(url, 'millrace.v1'))
    const opened = new Promise((resolve) => (client.webSocket.onopen = resolve))
    const refused = client.closed.then(({ code }) =>
      Promise.reject(new Error(`closed with ${code}`)),
    )
    await Promise.race([opened, refused])
    const body = {
      magic: 'millrace',
      versions: [1],
      client: { name: 'page' },
      heartbeatMs: 0,
      ...changes,
    }
    const connected = await client.ask(Op.CONNECT, body)
    client.frameBytesMax = connected.frameBytesMax
    return client
  }

  receive(message) {
    let frames = 0
    for (let at = 0; at < message.length; frames++) {
      const view = new DataView(message.buffer, message.byteOffset + at)
      const end = at + 4 + view.getUint32(0)
      if (end > message.length) throw new Error('a message ends in the middle of a frame')
      this.receivePart(
        view.getUint8(4),
        view.getUint8(5),
        view.getUint32(8),
        message.slice(at + 12, end),
      )
      at = end
    }
    this.seen.messages += 1
    this.seen.framesMax = Math.max(this.seen.framesMax, frames)
  }

  receivePart(op, flags, correlation, part) {
    const key = `${op} ${correlation}`
    const parts = [...(this.parts.get(key) ?? []), part]
    if (flags & MORE) {
      this.parts.set(key, parts)
      return
    }
    this.parts.delete(key)
    this.receiveBody(op, correlation, concat(parts))
  }

  receiveBody(op, correlation, body) {
    if (op === Op.DELIVER) {
      this.onDeliver(decodeBatches(body.subarray(24)), correlation)
      return
    }
    const waiting = this.waiting.get(correlation)
    this.waiting.delete(correlation)
    if (op !== Op.ERROR) waiting?.resolve(body)
    else waiting?.reject(new Error(new Reader(body).unpack().message))
  }

  /** In as many frames as the body takes, all of them in one message. */
  send(op, correlation, body) {
    const room = this.frameBytesMax - 12
    const frames = []
    for (let at = 0; at === 0 || at < body.length; at += room) {
      const isLast = at + room >= body.length
      frames.push(encodeFrame(op, isLast ? 0 : MORE, correlation, body.subarray(at, at + room)))
    }
    this.webSocket.send(concat(frames))
  }

  request(op, body) {
    const correlation = ++this.correlation
    return new Promise((resolve, reject) => {
      this.waiting.set(correlation, { resolve, reject })
      this.send(op, correlation, body)
    })
  }

  async ask(op, map) {
    return new Reader(await this.request(op, pack(map))).unpack()
  }

  createTopic(topic) {
    return this.ask(Op.TOPIC_CREATE, { topic })
  }

  async openTopic(topic) {
    return (await this.ask(Op.TOPIC_OPEN, { topic })).handle
  }

  /** Resolves with the offset of the first record, once the topic's promise is kept. */
  async produce(handle, records) {
    const head = new Uint8Array(12)
    new DataView(head.buffer).setUint32(0, handle)
    const answer = await this.request(Op.PRODUCE, concat([head, encodeBatch(records, Date.now())]))
    return new Reader(answer).number(8)
  }

  async fetch(handle, offset, maxBytes) {
    const body = new Uint8Array(32)
    const view = new DataView(body.buffer)
    view.setUint32(0, handle)
    view.setBigUint64(8, BigInt(offset))
    view.setUint32(16, maxBytes)
    const answer = await this.request(Op.FETCH, body)
    return decodeBatches(answer.subarray(32))
  }

  /** Resolves with so many records, from the earliest on. */
  subscribe(topic, count) {
    const records = []
    return new Promise((resolve, reject) => {
      this.onDeliver = (delivered) => {
        records.push(...delivered)
        if (records.length >= count) resolve(records)
      }
      const ask = { subscription: 7, topic, from: 'earliest', credit: 64 * 1024 * 1024 }
      this.ask(Op.SUBSCRIBE, ask).catch(reject)
    })
  }

  async close() {
    await this.request(Op.CLOSE, new Uint8Array(0))
    return this.closed
  }
}

globalThis.Client = Client
