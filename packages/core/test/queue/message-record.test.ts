import { RecordBatchBuilder, RecordCursor, utf8Encode } from '@millrace/codec'
import type { QueuedMessage } from '../../src/engine/messaging.ts'
import {
  checkFields,
  EnvelopeWriter,
  readDueMs,
  readMessage,
  readMessageId,
  type MessageFields,
} from '../../src/queue/message-record.ts'

const plain: MessageFields = {
  exchange: '',
  routingKey: '',
  extraRoutingKeys: undefined,
  payload: new Uint8Array(0),
  format: 0,
  properties: new Uint8Array(0),
  isPersistent: false,
  priority: 0,
  ttlMs: -1,
  messageId: undefined,
  key: undefined,
  deadLetters: undefined,
}

const written = (message: MessageFields): Uint8Array => {
  const builder = new RecordBatchBuilder()
  new EnvelopeWriter().append(builder, message, 1_234)
  return builder.build()
}

const read = (bytes: Uint8Array): QueuedMessage => {
  const cursor = new RecordCursor(bytes, 0)
  cursor.next()
  return readMessage(cursor)
}

const roundTrip = (changed: Partial<MessageFields>): void => {
  const message = { ...plain, ...changed }
  checkFields(message)
  expect(read(written(message))).toEqual({ ...message, timestampMs: 1_234 })
}

const long = 'r'.repeat(255)

describe('a message that is kept', () => {
  const cursorOf = (dueMs?: number): RecordCursor => {
    const builder = new RecordBatchBuilder()
    const writer = new EnvelopeWriter()
    const message = { ...plain, exchange: 'e', routingKey: long, messageId: 'id', ttlMs: 7 }
    writer.append(builder, message, 1_234, dueMs)
    // The writer is used again: nothing of the one before may stay.
    writer.append(builder, message, 1_234)
    const cursor = new RecordCursor(builder.build(), 0)
    cursor.next()
    return cursor
  }

  it.each([0, 1, 1_767_225_600_000, Number.MAX_SAFE_INTEGER])(
    'says that it is due at %d',
    (due) => {
      const cursor = cursorOf(due)
      expect(readDueMs(cursor)).toBe(due)
      expect(readMessageId(cursor)).toBe('id')
      expect(readMessage(cursor)).toMatchObject({ exchange: 'e', routingKey: long, ttlMs: 7 })
      cursor.next()
      expect(readDueMs(cursor)).toBeUndefined()
      expect(readMessage(cursor)).toMatchObject({ exchange: 'e', messageId: 'id' })
    },
  )

  it('has these bytes', () => {
    const envelope = new EnvelopeWriter().write({ ...plain, exchange: 'e', routingKey: 'k' }, 258)
    expect(Buffer.from(envelope).toString('hex')).toBe(
      '01100000' + 'ffffffffffffffff' + '0000000000000102' + '0165' + '016b',
    )
  })
})

describe('a message in its record', () => {
  it.each<[string, Partial<MessageFields>]>([
    ['nothing', {}],
    ['an exchange and a key of 255 bytes', { exchange: long, routingKey: long }],
    ['a key of many bytes a character', { routingKey: '€'.repeat(85) }],
    ['more routing keys', { extraRoutingKeys: ['', 'a', long] }],
    ['no more routing keys', { extraRoutingKeys: [] }],
    ['a payload', { payload: new Uint8Array(100_000).fill(7) }],
    ['properties of a protocol', { format: 255, properties: utf8Encode('block'.repeat(1_000)) }],
    ['persistence and priority', { isPersistent: true, priority: 255 }],
    ['no time at all', { ttlMs: 0 }],
    ['the longest time', { ttlMs: Number.MAX_SAFE_INTEGER }],
    ['a message id', { messageId: 'ü-1' }],
    ['the longest message id', { messageId: 'm'.repeat(65_535) }],
    ['a key', { key: utf8Encode('key') }],
    ['an empty key', { key: new Uint8Array(0) }],
    [
      'a history',
      {
        deadLetters: [
          {
            queue: 'q',
            reason: 'expired',
            count: 3,
            exchange: 'x',
            routingKeys: ['a', 'b'],
            timeMs: 5,
            originalTtlMs: undefined,
          },
        ],
      },
    ],
  ])('keeps %s', (_what, changed) => {
    roundTrip(changed)
  })

  it.each<[string, Partial<MessageFields>]>([
    ['an exchange', { exchange: `${long}x` }],
    ['a routing key', { routingKey: `${'€'.repeat(85)}x` }],
    ['another routing key', { extraRoutingKeys: ['a', `${long}x`] }],
    ['a message id', { messageId: 'm'.repeat(65_536) }],
  ])('refuses %s that is one byte too long, also when nobody has checked', (_what, changed) => {
    const message = { ...plain, ...changed }
    const refusal = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => checkFields(message)).toThrow(refusal)
    expect(() => written(message)).toThrow(refusal)
  })

  it('takes 65,535 more routing keys, and not one more', () => {
    const keys = (count: number) => ({ ...plain, extraRoutingKeys: new Array(count).fill('k') })
    expect(read(written(keys(65_535))).extraRoutingKeys).toHaveLength(65_535)
    const refusal = expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' })
    expect(() => checkFields(keys(65_536))).toThrow(refusal)
  })

  it('refuses a time to live that is no whole number', () => {
    const refusal = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => checkFields({ ...plain, ttlMs: 1.5 })).toThrow(refusal)
    expect(() => checkFields({ ...plain, ttlMs: NaN })).toThrow(refusal)
  })

  it('is refused when the record has no envelope, or one of another version', () => {
    const builder = new RecordBatchBuilder()
    builder.appendFields(1, null, utf8Encode('x'), [])
    const refusal = expect.objectContaining({ code: 'ERR_INVALID_BATCH' })
    expect(() => read(builder.build())).toThrow(refusal)
    const other = new RecordBatchBuilder()
    other.appendFields(1, null, null, [{ key: 'mr-envelope', value: Uint8Array.of(9) }])
    expect(() => read(other.build())).toThrow(refusal)
  })

  it('leaves nothing of a long message in a short one behind it', () => {
    const writer = new EnvelopeWriter()
    const builder = new RecordBatchBuilder()
    writer.append(builder, { ...plain, messageId: 'm'.repeat(5_000) }, 1)
    writer.append(builder, { ...plain, routingKey: 'k' }, 2)
    const cursor = new RecordCursor(builder.build(), 0)
    cursor.next()
    cursor.next()
    expect(readMessage(cursor)).toEqual({ ...plain, routingKey: 'k', timestampMs: 2 })
  })
})
