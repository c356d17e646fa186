/**
 * The properties of what a channel publishes. A publisher sends the same block with most messages: a
 * block is copied, checked and understood once, and while the next ones are equal to it nothing is
 * done again.
 */
import { isUtf8, utf8Decode } from '@millrace/codec'
import { type FieldValue, findField } from './codec/field-table.ts'
import { changeBlock, headersOf } from './codec/property-block.ts'
import { Property, PropertyScan } from './codec/property-scan.ts'
import { preconditionFailed } from './errors.ts'
import { fieldTypeName } from './field-type-name.ts'
import { DIRECT_REPLY_QUEUE } from './direct-reply.ts'

const TRANSIENT = 1
const PERSISTENT = 2
/** A thousand years. */
const EXPIRATION_MS_MAX = 2 ** 45
const DIGITS = /^([+-]?\d+)(.*)$/s

export class PublishedProperties {
  readonly scan: PropertyScan
  /** What is stored: the block without the copies that nobody shall see. */
  stored: Uint8Array
  isPersistent: boolean
  priority: number
  /** -1 without one. */
  ttlMs: number
  messageId: string | undefined
  /** The user that the message names, if any. */
  userId: string | undefined
  extraRoutingKeys: readonly string[] | undefined
  /** The reply is to go to this channel itself. */
  wantsDirectReply: boolean
  #block: Uint8Array | undefined

  constructor() {
    this.scan = new PropertyScan()
    this.stored = this.scan.bytes
    this.isPersistent = false
    this.priority = 0
    this.ttlMs = -1
    this.messageId = undefined
    this.userId = undefined
    this.extraRoutingKeys = undefined
    this.wantsDirectReply = false
    this.#block = undefined
  }

  /** `bytes[from..to)` is borrowed. Throws ERR_MALFORMED_BODY, or a fault for what is not allowed. */
  load(bytes: Uint8Array, from: number, to: number): void {
    if (this.#block !== undefined && isEqual(this.#block, bytes, from, to)) return
    this.#block = undefined
    const block = bytes.slice(from, to)
    const { scan } = this
    scan.scan(block)
    this.stored = block
    this.isPersistent = isPersistentMode(scan.octet(Property.DELIVERY_MODE, TRANSIENT))
    this.priority = scan.octet(Property.PRIORITY, 0)
    this.messageId = scan.text(Property.MESSAGE_ID)
    this.userId = scan.text(Property.USER_ID)
    this.wantsDirectReply = scan.text(Property.REPLY_TO) === DIRECT_REPLY_QUEUE
    this.ttlMs = ttlOf(scan.text(Property.EXPIRATION))
    this.#loadCopies()
    this.#block = block
  }

  #loadCopies(): void {
    const { scan } = this
    this.extraRoutingKeys = undefined
    if (!scan.hasCopies && !scan.hasBlindCopies) return
    const headers = headersOf(scan)
    this.extraRoutingKeys = ['CC', 'BCC'].flatMap((name) => keysOf(name, findField(headers, name)))
    if (scan.hasBlindCopies) this.stored = changeBlock(scan, { dropHeaders: ['BCC'] })
  }
}

const isEqual = (block: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean => {
  if (block.length !== to - from) return false
  for (let index = 0; index < block.length; index++) {
    if (block[index] !== bytes[from + index]) return false
  }
  return true
}

const isPersistentMode = (mode: number): boolean => {
  if (mode === PERSISTENT) return true
  if (mode === TRANSIENT) return false
  throw preconditionFailed(`invalid message: {delivery_mode_unknown,${mode}}`)
}

/** Beyond the end of all things it is as good as there. */
const ttlOf = (expiration: string | undefined): number => {
  if (expiration === undefined) return -1
  const [, digits, rest = ''] = DIGITS.exec(expiration) ?? []
  const refuse = (why: string) => preconditionFailed(`invalid expiration '${expiration}': ${why}`)
  if (digits === undefined) throw refuse('no_integer')
  if (rest !== '') throw refuse(`{leftover_string,"${rest}"}`)
  const ttlMs = Number(digits)
  if (ttlMs < 0) throw refuse(`{value_negative,${ttlMs}}`)
  return Math.min(ttlMs, EXPIRATION_MS_MAX)
}

const keysOf = (name: string, field: FieldValue | undefined): readonly string[] => {
  if (field === undefined) return []
  const refuse = (type: FieldValue['type']) =>
    preconditionFailed(
      `invalid message: {unacceptable_type_in_header,"${name}",${fieldTypeName(type)}}`,
    )
  if (field.type !== 'A') throw refuse(field.type)
  return field.value.map((key) => {
    if (key.type !== 'S' || !isUtf8(key.value)) throw refuse(key.type)
    return utf8Decode(key.value)
  })
}
