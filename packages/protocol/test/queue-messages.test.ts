import { encodeHeaderBlock, writeUint32 } from '@millrace/codec'
import {
  COMMIT_HEAD_BYTES,
  DEAD_LETTERS_BYTES_MAX,
  decodeCommit,
  decodeDeadLetters,
  decodeGot,
  decodeMessage,
  decodePublish,
  decodePublished,
  decodeQueueDeliveries,
  decodeSettle,
  DELIVERY_HEAD_BYTES,
  encodeControl,
  encodeDeadLetters,
  encodePublish,
  encodePublished,
  encodeQueueDeliveries,
  encodeSettle,
  FRAME_HEADER_BYTES,
  isRequest,
  isSilentPublish,
  MESSAGE_HEAD_BYTES,
  MessageCursor,
  Opcode,
  PUBLISH_HEAD_BYTES,
  type PublishedMessage,
  SETTLE_COUNT_MAX,
  SETTLE_HEAD_BYTES,
  TAG_RANGE_BYTES,
} from '../src/index.ts'
import { bytesOf, failureOf, fromHex, queueVectors } from './support.ts'

const vectorOf = (name: string): { message: unknown; body: Uint8Array } => {
  const vector = queueVectors.find((candidate) => candidate.name === name)!
  return { message: vector.message, body: fromHex(vector.frame).subarray(FRAME_HEADER_BYTES) }
}

const CASES: [string, number, string, unknown][] = [
  ['exchange-declare', Opcode.EXCHANGE_DECLARE, 'exchange', undefined],
  ['exchange-declare', Opcode.EXCHANGE_DECLARE, 'settings', []],
  ['exchange-declared', Opcode.EXCHANGE_DECLARED, 'predeclared', undefined],
  ['exchange-declared', Opcode.EXCHANGE_DECLARED, 'bindings', -1],
  ['exchange-declared', Opcode.EXCHANGE_DECLARED, 'kept', -1],
  ['exchange-declared', Opcode.EXCHANGE_DECLARED, 'settings', undefined],
  ['exchange-describe', Opcode.EXCHANGE_DESCRIBE, 'exchange', 7],
  ['exchange-list', Opcode.EXCHANGE_LIST, 'after', 7],
  ['exchange-listed', Opcode.EXCHANGE_LISTED, 'exchanges', [{}]],
  ['exchange-delete', Opcode.EXCHANGE_DELETE, 'ifUnused', 1],
  ['bind', Opcode.BIND, 'exchange', undefined],
  ['bind', Opcode.BIND, 'targetKind', undefined],
  ['bind', Opcode.BIND, 'targetKind', 'group'],
  ['bind', Opcode.BIND, 'target', null],
  ['bind', Opcode.BIND, 'routingKey', 7],
  ['bind by headers', Opcode.BIND, 'match', 'some'],
  ['bind by headers', Opcode.BIND, 'headers', { kind: 7 }],
  ['bind by headers', Opcode.BIND, 'typedHeaders', { size: null }],
  ['bind by headers', Opcode.BIND, 'labels', { from: [] }],
  ['unbind', Opcode.UNBIND, 'target', undefined],
  ['binding-list', Opcode.BINDING_LIST, 'skip', -1],
  ['binding-list', Opcode.BINDING_LIST, 'targetKind', 'x'],
  ['binding-listed', Opcode.BINDING_LISTED, 'bindings', [{ exchange: 'a' }]],
  ['queue-declare', Opcode.QUEUE_DECLARE, 'queue', undefined],
  ['queue-declare', Opcode.QUEUE_DECLARE, 'exclusive', 'yes'],
  ['queue-declared', Opcode.QUEUE_DECLARED, 'ready', -1],
  ['queue-declared', Opcode.QUEUE_DECLARED, 'counters', { published: 1 }],
  ['queue-describe', Opcode.QUEUE_DESCRIBE, 'queue', 7],
  ['queue-list', Opcode.QUEUE_LIST, 'prefix', 7],
  ['queue-listed', Opcode.QUEUE_LISTED, 'queues', {}],
  ['queue-alter', Opcode.QUEUE_ALTER, 'settings', undefined],
  ['queue-delete', Opcode.QUEUE_DELETE, 'ifEmpty', 0],
  ['queue-deleted', Opcode.QUEUE_DELETED, 'messages', undefined],
  ['queue-purge', Opcode.QUEUE_PURGE, 'queue', undefined],
  ['queue-peek', Opcode.QUEUE_PEEK, 'count', 0],
  ['queue-peek', Opcode.QUEUE_PEEK, 'count', 1001],
  ['queue-move', Opcode.QUEUE_MOVE, 'exchange', undefined],
  ['queue-move', Opcode.QUEUE_MOVE, 'count', -1],
  ['queue-replay', Opcode.QUEUE_REPLAY, 'since', undefined],
  ['consume', Opcode.CONSUME, 'consumer', 0],
  ['consume', Opcode.CONSUME, 'consumer', 4294967296],
  ['consume', Opcode.CONSUME, 'queue', undefined],
  ['consume', Opcode.CONSUME, 'credit', -1],
  ['consume', Opcode.CONSUME, 'priority', 2147483648],
  ['consume', Opcode.CONSUME, 'priority', -2147483649],
  ['consumer-alter', Opcode.CONSUMER_ALTER, 'credit', undefined],
  ['consumer-cancel', Opcode.CONSUMER_CANCEL, 'consumer', undefined],
  ['consumer-end', Opcode.CONSUMER_END, 'code', undefined],
  ['get', Opcode.GET, 'queue', undefined],
  ['get', Opcode.GET, 'autoSettle', 1],
]

describe('a control field that is wrong', () => {
  it.each(CASES)('%s: opcode %d refuses %s = %j', (name, opcode, field, value) => {
    const map = { ...(vectorOf(name).message as object), [field]: value }
    const failure = failureOf(() => decodeMessage(opcode, encodeControl(map)))
    expect(failure.code).toBe('ERR_MALFORMED_BODY')
    const isInside = typeof value === 'object' && value !== null
    if (!isInside) expect(failure.message).toContain(`'${field}'`)
  })

  it('fills in every default', () => {
    const consume = decodeMessage(Opcode.CONSUME, encodeControl({ consumer: 1, queue: 'q' }))
    expect(consume).toEqual({
      consumer: 1,
      queue: 'q',
      credit: 0,
      autoSettle: false,
      exclusive: false,
      priority: 0,
    })
    const peek = decodeMessage(Opcode.QUEUE_PEEK, encodeControl({ queue: 'q' }))
    expect(peek).toEqual({ queue: 'q', count: 1 })
  })
})

it('takes pushes for no requests', () => {
  expect([Opcode.QUEUE_DELIVER, Opcode.CONSUMER_END, Opcode.PUBLISH].map(isRequest)).toEqual([
    false,
    false,
    true,
  ])
})

const plain: PublishedMessage = {
  exchange: 'e',
  routingKey: 'k',
  isPersistent: false,
  priority: 0,
  ttlMs: -1,
  headers: new Uint8Array(0),
  payload: bytesOf('abc'),
}
const publishOf = (message: Partial<PublishedMessage>): Uint8Array =>
  encodePublish({ isSilent: false, messages: [{ ...plain, ...message }] })

describe('a published message', () => {
  it('gives its parts as views', () => {
    const { body } = vectorOf('publish')
    const [message] = decodePublish(body).messages
    for (const part of [message?.payload, message?.headers, message?.key]) {
      expect(part?.buffer).toBe(body.buffer)
    }
  })

  it('may have an empty message id and an empty key, which are not none', () => {
    const body = publishOf({ messageId: '', key: new Uint8Array(0) })
    const [message] = decodePublish(body).messages
    expect(message).toMatchObject({ messageId: '', key: new Uint8Array(0) })
    expect(decodePublish(publishOf({})).messages[0]).toMatchObject({
      messageId: undefined,
      key: undefined,
    })
  })

  it.each(['exchange', 'routingKey', 'messageId'])('has a %s of 65,535 bytes at most', (part) => {
    const text = 'x'.repeat(65_535)
    expect(decodePublish(publishOf({ [part]: text })).messages[0]).toMatchObject({ [part]: text })
    const failure = failureOf(() => publishOf({ [part]: `${text}x` }))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('has a key of 65,535 bytes at most', () => {
    const key = new Uint8Array(65_535)
    expect(decodePublish(publishOf({ key })).messages[0]?.key).toEqual(key)
    const failure = failureOf(() => publishOf({ key: new Uint8Array(65_536) }))
    expect(failure.code).toBe('ERR_INVALID_ARGUMENT')
  })

  it.each([
    ['ends inside its head', publishOf({}).subarray(0, PUBLISH_HEAD_BYTES + 27), 'inside the head'],
    ['ends inside its parts', publishOf({}).subarray(0, -1), 'longer than what is left'],
    ['is followed by a byte', Uint8Array.of(...publishOf({}), 0), 'inside the head'],
  ])('that %s is refused', (_name, body, text) => {
    expect(failureOf(() => decodePublish(body))).toMatchObject({ code: 'ERR_MALFORMED_BODY' })
    expect(failureOf(() => decodePublish(body)).message).toContain(text)
  })

  it('that has an id or a key without the flag is refused', () => {
    for (const part of [{ messageId: 'm' }, { key: bytesOf('k') }]) {
      const body = publishOf(part)
      body[PUBLISH_HEAD_BYTES] = 0
      expect(failureOf(() => decodePublish(body)).message).toContain('not the flag')
    }
  })

  it('that promises four gigabytes is refused before anything is made of it', () => {
    const body = publishOf({})
    writeUint32(body, PUBLISH_HEAD_BYTES + 12, 0xffff_ffff)
    expect(failureOf(() => decodePublish(body)).code).toBe('ERR_MALFORMED_BODY')
  })

  it('is stepped over one by one, and knows its bytes', () => {
    const { body } = vectorOf('publish without an answer')
    expect(isSilentPublish(body)).toBe(true)
    const cursor = new MessageCursor()
    cursor.reset(body, PUBLISH_HEAD_BYTES)
    expect(cursor.next()).toBe(true)
    expect([cursor.routingKey, cursor.partsBytes]).toEqual(['jobs', 4])
    expect(cursor.end).toBe(PUBLISH_HEAD_BYTES + MESSAGE_HEAD_BYTES + 4)
    expect(cursor.next()).toBe(true)
    expect(cursor.isAtEnd).toBe(true)
    expect(cursor.next()).toBe(false)
  })
})

describe('outcomes', () => {
  it('count no further than 65,535 targets', () => {
    const body = encodePublished({ outcomes: [{ targets: 65_536, error: 0 }], text: '' })
    expect(decodePublished(body).outcomes).toEqual([{ targets: 65_535, error: 0 }])
  })

  it('that are missing are refused', () => {
    const { body } = vectorOf('published')
    expect(failureOf(() => decodePublished(body.subarray(0, 7))).message).toContain(
      '7 bytes cannot hold 1 outcomes',
    )
    expect(failureOf(() => decodePublished(body.subarray(0, 3))).message).toContain('needs 4 bytes')
  })
})

describe('settlements', () => {
  const range = { from: 1, to: 1 }

  it('are at most 10,000 ranges', () => {
    const ranges = Array.from({ length: SETTLE_COUNT_MAX }, () => range)
    const settle = { outcome: 0, isDurable: false } as const
    expect(decodeSettle(encodeSettle({ ...settle, ranges })).ranges).toHaveLength(10_000)
    const failure = failureOf(() =>
      decodeSettle(encodeSettle({ ...settle, ranges: [...ranges, range] })),
    )
    expect(failure.code).toBe('ERR_LIMIT_EXCEEDED')
  })

  it.each([
    ['none at all', new Uint8Array(SETTLE_HEAD_BYTES)],
    ['half a range', new Uint8Array(SETTLE_HEAD_BYTES + TAG_RANGE_BYTES + 8)],
    ['another outcome', Uint8Array.of(3, ...new Uint8Array(SETTLE_HEAD_BYTES - 1 + 16))],
    ['a range that ends before it begins', fromHex(`00000000${'0'.repeat(15)}2${'0'.repeat(15)}1`)],
    ['a tag beyond 2^53 - 1', fromHex(`000000000020000000000000${'f'.repeat(16)}`)],
  ])('are not %s', (_name, body) => {
    expect(failureOf(() => decodeSettle(body)).code).toBe('ERR_MALFORMED_BODY')
  })

  it('of a COMMIT are compared with its bytes, and with the limit', () => {
    const body = new Uint8Array(COMMIT_HEAD_BYTES + 23)
    writeUint32(body, 0, 1)
    expect(failureOf(() => decodeCommit(body)).message).toContain('cannot hold 1 settlements')
    writeUint32(body, 0, SETTLE_COUNT_MAX + 1)
    expect(failureOf(() => decodeCommit(body)).code).toBe('ERR_LIMIT_EXCEEDED')
    expect(decodeCommit(new Uint8Array(COMMIT_HEAD_BYTES))).toEqual({
      settlements: [],
      messages: [],
    })
  })
})

describe('a delivery', () => {
  it('gives its parts as views, and its headers as a record has them', () => {
    const { body } = vectorOf('queue-deliver')
    const [delivery] = decodeQueueDeliveries(body)
    expect(delivery?.headers).toEqual(encodeHeaderBlock([{ key: 'h', value: bytesOf('v') }]))
    expect(delivery?.payload.buffer).toBe(body.buffer)
  })

  it('that is cut anywhere is refused', () => {
    const { body } = vectorOf('queue-deliver')
    for (let bytes = 1; bytes < body.length; bytes++) {
      const failure = failureOf(() => decodeQueueDeliveries(body.subarray(0, bytes)))
      expect(failure.code).toBe('ERR_MALFORMED_BODY')
    }
  })

  it.each([48, 52, 56])('that promises four gigabytes at %d is refused', (at) => {
    const body = new Uint8Array(vectorOf('queue-deliver').body)
    writeUint32(body, at, 0xffff_ffff)
    expect(failureOf(() => decodeQueueDeliveries(body)).code).toBe('ERR_MALFORMED_BODY')
  })

  it('comes alone in GOT', () => {
    const { message } = vectorOf('queue-deliver')
    const two = encodeQueueDeliveries([...(message as []), ...(message as [])], 8)
    expect(failureOf(() => decodeGot(two)).message).toContain('two deliveries')
    expect(failureOf(() => decodeGot(new Uint8Array(7))).message).toContain('GOT needs 8 bytes')
    expect(two.length).toBeGreaterThan(2 * DELIVERY_HEAD_BYTES)
  })
})

describe('dead letters', () => {
  const entry = (queue: string): Parameters<typeof encodeDeadLetters>[0][number] => ({
    queue,
    reason: 'rejected',
    count: 1,
    exchange: '',
    routingKeys: [queue],
    time: 1_700_000_000_000,
  })

  it('are no bytes for none', () => {
    expect(encodeDeadLetters([])).toHaveLength(0)
    expect(decodeDeadLetters(new Uint8Array(0))).toEqual([])
  })

  it('keep the newest where they are too many', () => {
    const entries = Array.from({ length: 100 }, (_, index) => entry(`queue-${index}`))
    const bytes = encodeDeadLetters(entries)
    expect(bytes.length).toBeLessThanOrEqual(DEAD_LETTERS_BYTES_MAX)
    const kept = decodeDeadLetters(bytes)
    expect(kept.length).toBeGreaterThan(10)
    expect(kept.map(({ queue }) => queue)).toEqual(
      entries.slice(0, kept.length).map(({ queue }) => queue),
    )
  })

  it('that alone are too long are left out', () => {
    expect(encodeDeadLetters([entry('x'.repeat(2_000))])).toHaveLength(0)
  })
})
