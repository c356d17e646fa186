/**
 * As much MessagePack as docs/protocol.md uses, written from its specification and not from our
 * package: a test of the broker must not share its mistakes.
 */
export type Packable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Packable[]
  | { readonly [key: string]: Packable }

const header = (value: number, [fix, fixMax]: [number, number], wide: [number, number]): Buffer => {
  if (value <= fixMax) return Buffer.of(fix + value)
  const [tag, bytes] = wide
  const head = Buffer.alloc(1 + bytes)
  head[0] = tag
  head.writeUIntBE(value, 1, bytes)
  return head
}

const packNumber = (value: number): Buffer => {
  if (Number.isInteger(value) && value >= 0 && value < 128) return Buffer.of(value)
  if (Number.isInteger(value) && value < 0 && value >= -32) return Buffer.of(256 + value)
  const bytes = Buffer.alloc(9)
  if (!Number.isInteger(value)) {
    bytes[0] = 0xcb
    bytes.writeDoubleBE(value, 1)
    return bytes
  }
  bytes[0] = 0xd3
  bytes.writeBigInt64BE(BigInt(value), 1)
  return bytes
}

export const pack = (value: Packable): Buffer => {
  if (value === null) return Buffer.of(0xc0)
  if (typeof value === 'boolean') return Buffer.of(value ? 0xc3 : 0xc2)
  if (typeof value === 'number') return packNumber(value)
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([header(text.length, [0xa0, 31], [0xdb, 4]), text])
  }
  if (value instanceof Uint8Array || Buffer.isBuffer(value)) {
    return Buffer.concat([header(value.length, [0, -1], [0xc6, 4]), value])
  }
  if (Array.isArray(value)) {
    return Buffer.concat([header(value.length, [0x90, 15], [0xdc, 2]), ...value.map(pack)])
  }
  const entries = Object.entries(value as Record<string, Packable>)
  const items = entries.flatMap(([key, item]) => [pack(key), pack(item)])
  return Buffer.concat([header(entries.length, [0x80, 15], [0xde, 2]), ...items])
}

class Unpacker {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  value(): unknown {
    const tag = this.#number(1)
    if (tag < 0x80) return tag
    if (tag < 0x90) return this.#map(tag & 15)
    if (tag < 0xa0) return this.#list(tag & 15)
    if (tag < 0xc0) return this.#take(tag & 31).toString()
    if (tag >= 0xe0) return tag - 256
    return this.#tagged(tag)
  }

  #tagged(tag: number): unknown {
    if (tag === 0xc0) return null
    if (tag <= 0xc3) return tag === 0xc3
    if (tag >= 0xc4 && tag <= 0xc6) return this.#take(this.#number(2 ** (tag - 0xc4)))
    if (tag >= 0xcb && tag <= 0xd3) return this.#numeric(tag)
    if (tag >= 0xd9 && tag <= 0xdb) return this.#take(this.#number(2 ** (tag - 0xd9))).toString()
    if (tag === 0xdc || tag === 0xdd) return this.#list(this.#number(tag === 0xdc ? 2 : 4))
    if (tag === 0xde || tag === 0xdf) return this.#map(this.#number(tag === 0xde ? 2 : 4))
    throw new Error(`no MessagePack of the protocol: 0x${tag.toString(16)}`)
  }

  #numeric(tag: number): number {
    if (tag === 0xcb) return this.#take(8).readDoubleBE(0)
    if (tag === 0xcf) return Number(this.#take(8).readBigUInt64BE(0))
    if (tag === 0xd3) return Number(this.#take(8).readBigInt64BE(0))
    if (tag < 0xcf) return this.#number(2 ** (tag - 0xcc))
    const bytes = 2 ** (tag - 0xd0)
    return this.#take(bytes).readIntBE(0, bytes)
  }

  #list(count: number): unknown[] {
    return Array.from({ length: count }, () => this.value())
  }

  #map(count: number): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    for (let index = 0; index < count; index++) map[String(this.value())] = this.value()
    return map
  }

  #number(bytes: number): number {
    return this.#take(bytes).readUIntBE(0, bytes)
  }

  #take(bytes: number): Buffer {
    if (this.#at + bytes > this.#bytes.length) throw new Error('MessagePack is cut short')
    this.#at += bytes
    return this.#bytes.subarray(this.#at - bytes, this.#at)
  }
}

export const unpack = (bytes: Buffer): Record<string, unknown> =>
  new Unpacker(bytes).value() as Record<string, unknown>
