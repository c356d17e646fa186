import { RecordBatchBuilder, RecordCursor } from '@millrace/codec'
import { BatchMessages } from '../../src/queue/batch-messages.ts'
import { EnvelopeWriter, type MessageFields, readMessage } from '../../src/queue/message-record.ts'

const TIMESTAMP_MS = 1_700_000_000_000

const bytesOf = (count: number, first: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, index) => (first + index) % 251)

const messageOf = (fields: Partial<MessageFields>): MessageFields => ({
  exchange: 'exchange',
  routingKey: 'a.key',
  extraRoutingKeys: undefined,
  payload: bytesOf(10, 1),
  format: 1,
  properties: bytesOf(3, 7),
  isPersistent: true,
  priority: 2,
  ttlMs: -1,
  messageId: undefined,
  key: undefined,
  ...fields,
})

const cases: readonly (readonly [string, Partial<MessageFields>])[] = [
  ['neither payload nor properties', { payload: bytesOf(0, 0), properties: bytesOf(0, 0) }],
  ['an envelope of a size of one byte', { properties: bytesOf(20, 3) }],
  ['an envelope of a size of two bytes', { properties: bytesOf(200, 3) }],
  ['an envelope of a size of three bytes', { properties: bytesOf(20_000, 3) }],
  ['a payload of a size of two bytes', { payload: bytesOf(1_024, 9) }],
  [
    'a key, an id and more routing keys',
    {
      key: bytesOf(5, 90),
      messageId: 'id-ü',
      extraRoutingKeys: ['one', 'two'],
    },
  ],
]

describe('messages of a batch', () => {
  it.each(cases)('are the same as those that are read from it: %s', (_name, fields) => {
    const writer = new EnvelopeWriter()
    const builder = new RecordBatchBuilder()
    const messages = new BatchMessages()
    // Neither first nor alone: places are of the batch.
    for (const message of [messageOf({}), messageOf(fields), messageOf({})]) {
      const envelopeBytes = writer.append(builder, message, TIMESTAMP_MS)
      messages.add(message, TIMESTAMP_MS, builder.sizeBytes, envelopeBytes)
    }
    const bytes = builder.build()
    const cursor = new RecordCursor(bytes)
    const read = Array.from({ length: 3 }, () => cursor.next() && readMessage(cursor))
    expect(messages.count).toBe(3)
    expect(messages.in(bytes)).toEqual(read)
  })

  it('hold nothing of what was borrowed', () => {
    const borrowed = bytesOf(300, 1)
    const [payload, properties, key] = [0, 100, 200].map((at) => borrowed.subarray(at, at + 100))
    const message = messageOf({ payload: payload!, properties: properties!, key })
    const builder = new RecordBatchBuilder()
    const messages = new BatchMessages()
    const envelopeBytes = new EnvelopeWriter().append(builder, message, TIMESTAMP_MS)
    messages.add(message, TIMESTAMP_MS, builder.sizeBytes, envelopeBytes)
    borrowed.fill(0)
    const [kept] = messages.in(builder.build())
    expect([kept?.payload, kept?.properties, kept?.key]).toEqual([
      bytesOf(100, 1),
      bytesOf(100, 101),
      bytesOf(100, 201),
    ])
  })
})
