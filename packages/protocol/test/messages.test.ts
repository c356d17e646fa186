import {
  CONTROL_BODY_BYTES_MAX,
  CONTROL_LIST_BYTES_MAX,
  decodeTopicDescription,
  encodeTopicDescription,
  type TopicDescription,
  createCredit,
  createDeliverHead,
  createFetchedHead,
  createProduced,
  createProduceHead,
  CREDIT_BYTES,
  decodeCredit,
  decodeDeliverHead,
  decodeFetch,
  decodeFetchedHead,
  decodeMessage,
  decodeProduced,
  decodeProduceHead,
  DELIVER_HEAD_BYTES,
  encodeControl,
  encodeProduced,
  FETCH_BYTES,
  FETCHED_HEAD_BYTES,
  FRAME_HEADER_BYTES,
  Opcode,
  PING_BODY_BYTES_MAX,
  PRODUCE_HEAD_BYTES,
  PRODUCED_BYTES,
  writeDeliverHead,
  writeProduceHead,
} from '../src/index.ts'
import { allVectors, failureOf, fromHex } from './support.ts'

/** A vector's control map, with the keys that its encoder adds. */
const mapOf = (name: string): Record<string, unknown> => {
  const vector = allVectors.find((candidate) => candidate.name === name)!
  const added = vector.opcode === 'CONNECT' ? { magic: 'millrace' } : {}
  return { ...added, ...(vector.message as object) }
}

const decodeMap = (opcode: number, map: object): unknown =>
  decodeMessage(opcode, encodeControl(map))

const CASES: [string, number, string, unknown][] = [
  ['connect', Opcode.CONNECT, 'magic', 'kafka'],
  ['connect', Opcode.CONNECT, 'magic', undefined],
  ['connect', Opcode.CONNECT, 'versions', 1],
  ['connect', Opcode.CONNECT, 'versions', ['1']],
  ['connect', Opcode.CONNECT, 'versions', [0]],
  ['connect', Opcode.CONNECT, 'namespace', 7],
  ['connect', Opcode.CONNECT, 'initial', 'text'],
  ['connect', Opcode.CONNECT, 'client', []],
  ['connect', Opcode.CONNECT, 'features', [1]],
  ['connect', Opcode.CONNECT, 'codecs', 'none'],
  ['connect', Opcode.CONNECT, 'heartbeatMs', -1],
  ['connect', Opcode.CONNECT, 'heartbeatMs', 1.5],
  ['connect', Opcode.CONNECT, 'frameBytesMax', 8191],
  ['connected', Opcode.CONNECTED, 'version', undefined],
  ['connected', Opcode.CONNECTED, 'authenticated', 1],
  ['connected', Opcode.CONNECTED, 'authenticated', undefined],
  ['connected', Opcode.CONNECTED, 'frameBytesMax', 1048577],
  ['connected', Opcode.CONNECTED, 'bodyBytesMax', 8191],
  ['connected', Opcode.CONNECTED, 'inFlightCountMax', 0],
  ['connected', Opcode.CONNECTED, 'batchBytesMax', 0],
  ['connected', Opcode.CONNECTED, 'autoCreateTopics', 'yes'],
  ['authenticate', Opcode.AUTHENTICATE, 'response', 'text'],
  ['authenticate', Opcode.AUTHENTICATE, 'response', undefined],
  ['authenticated', Opcode.AUTHENTICATED, 'authenticated', undefined],
  ['authenticate to renew', Opcode.AUTHENTICATE, 'mechanism', 1],
  ['authenticated for an hour', Opcode.AUTHENTICATED, 'expiresInMs', -1],
  ['connected', Opcode.CONNECTED, 'expiresInMs', 'x'],
  ['go-away', Opcode.GO_AWAY, 'code', undefined],
  ['go-away', Opcode.GO_AWAY, 'reconnectAfterMs', Number.NaN],
  ['topic-create', Opcode.TOPIC_CREATE, 'topic', undefined],
  ['topic-create', Opcode.TOPIC_CREATE, 'partitions', 0],
  ['topic-create', Opcode.TOPIC_CREATE, 'settings', []],
  ['topic-create', Opcode.TOPIC_CREATE, 'ifNotExists', 1],
  ['topic-created', Opcode.TOPIC_CREATED, 'partitions', [1]],
  ['topic-created', Opcode.TOPIC_CREATED, 'settings', undefined],
  ['topic-list', Opcode.TOPIC_LIST, 'prefix', 1],
  ['topic-listed', Opcode.TOPIC_LISTED, 'topics', {}],
  ['topic-listed', Opcode.TOPIC_LISTED, 'topics', [{}]],
  ['topic-describe', Opcode.TOPIC_DESCRIBE, 'topic', null],
  ['topic-alter', Opcode.TOPIC_ALTER, 'settings', 'x'],
  ['topic-alter', Opcode.TOPIC_ALTER, 'revision', -1],
  ['topic-delete', Opcode.TOPIC_DELETE, 'revision', 'x'],
  ['topic-open', Opcode.TOPIC_OPEN, 'create', 'yes'],
  ['topic-opened', Opcode.TOPIC_OPENED, 'handle', 4294967296],
  ['list-offsets by time', Opcode.LIST_OFFSETS, 'at', 'newest'],
  ['list-offsets by time', Opcode.LIST_OFFSETS, 'at', -1],
  ['list-offsets by time', Opcode.LIST_OFFSETS, 'at', undefined],
  ['list-offsets by time', Opcode.LIST_OFFSETS, 'partitions', [-1]],
  ['offsets-listed', Opcode.OFFSETS_LISTED, 'offsets', undefined],
  ['subscribe', Opcode.SUBSCRIBE, 'subscription', 0],
  ['subscribe', Opcode.SUBSCRIBE, 'subscription', 4294967296],
  ['subscribe', Opcode.SUBSCRIBE, 'credit', undefined],
  ['subscribe', Opcode.SUBSCRIBE, 'credit', -1],
  ['subscribe', Opcode.SUBSCRIBE, 'from', undefined],
  ['subscribe', Opcode.SUBSCRIBE, 'from', 'start'],
  ['subscribe', Opcode.SUBSCRIBE, 'from', -1],
  ['subscribe', Opcode.SUBSCRIBE, 'from', {}],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { timestamp: 'x' }],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { offsets: { x: 1 } }],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { timestamp: 1, offsets: {} }],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { offsets: { '01': 1 } }],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { offsets: { 4294967296: 1 } }],
  ['subscribe', Opcode.SUBSCRIBE, 'from', { offsets: { 0: -1 } }],
  ['subscribe', Opcode.SUBSCRIBE, 'maxBytesPerDeliver', 0],
  ['subscribed', Opcode.SUBSCRIBED, 'partitions', [{ partition: 0 }]],
  ['unsubscribe', Opcode.UNSUBSCRIBE, 'subscription', undefined],
  ['subscription-end', Opcode.SUBSCRIPTION_END, 'code', 'x'],
  ['subscription-end for damage', Opcode.SUBSCRIPTION_END, 'partition', -1],
  ['subscription-end for damage', Opcode.SUBSCRIPTION_END, 'to', 'x'],
  ['topic-opened with the topic’s id', Opcode.TOPIC_OPENED, 'id', -1],
  ['subscribed with the topic’s id', Opcode.SUBSCRIBED, 'id', 'x'],
  ['topic-truncate', Opcode.TOPIC_TRUNCATE, 'from', -1],
  ['topic-truncate', Opcode.TOPIC_TRUNCATE, 'partition', 4294967296],
  ['topic-truncated', Opcode.TOPIC_TRUNCATED, 'next', undefined],
  ['user-put', Opcode.USER_PUT, 'user', undefined],
  ['user-put', Opcode.USER_PUT, 'password', 7],
  ['user-put', Opcode.USER_PUT, 'create', 'yes'],
  ['user-put', Opcode.USER_PUT, 'certificateNames', [7]],
  ['user-put', Opcode.USER_PUT, 'revision', -1],
  ['user-put', Opcode.USER_PUT, 'quotas', 7],
  ['user-put', Opcode.USER_PUT, 'quotas', { topics: -1 }],
  ['user-put', Opcode.USER_PUT, 'quotas', { connections: '5' }],
  ['user-stored', Opcode.USER_STORED, 'hasPassword', undefined],
  ['user-delete', Opcode.USER_DELETE, 'user', 7],
  ['user-list', Opcode.USER_LIST, 'after', 7],
  ['user-listed', Opcode.USER_LISTED, 'users', [{}]],
  ['permission-grant', Opcode.PERMISSION_GRANT, 'actions', 'read'],
  ['permission-grant', Opcode.PERMISSION_GRANT, 'pattern', undefined],
  ['permission-grant', Opcode.PERMISSION_GRANT, 'effect', 1],
  ['permission-revoke', Opcode.PERMISSION_REVOKE, 'kind', undefined],
  ['permission-revoked', Opcode.PERMISSION_REVOKED, 'changed', undefined],
  ['permission-list', Opcode.PERMISSION_LIST, 'skip', -1],
  ['permission-listed', Opcode.PERMISSION_LISTED, 'permissions', undefined],
  ['access-explain', Opcode.ACCESS_EXPLAIN, 'name', undefined],
  ['access-explained', Opcode.ACCESS_EXPLAINED, 'allowed', 'yes'],
  ['access-explained', Opcode.ACCESS_EXPLAINED, 'permission', 'all'],
  ['producer-initialized', Opcode.PRODUCER_INITIALIZED, 'producer', -1],
  ['producer-initialized', Opcode.PRODUCER_INITIALIZED, 'epoch', 32768],
  ['records-delete', Opcode.RECORDS_DELETE, 'topic', 1],
  ['records-delete', Opcode.RECORDS_DELETE, 'partitions', undefined],
  ['records-delete', Opcode.RECORDS_DELETE, 'partitions', [{ partition: 0, before: -2 }]],
  ['records-deleted', Opcode.RECORDS_DELETED, 'partitions', [{ partition: 0 }]],
  ['storage-check', Opcode.STORAGE_CHECK, 'topic', 1],
  ['storage-checked', Opcode.STORAGE_CHECKED, 'bytes', -1],
  ['storage-checked', Opcode.STORAGE_CHECKED, 'ranges', [{ log: 'x' }]],
  ['storage-checked', Opcode.STORAGE_CHECKED, 'files', [{ log: 'x', logId: 1, segment: 0 }]],
  ['backup', Opcode.BACKUP, 'name', 1],
  ['backed-up', Opcode.BACKED_UP, 'path', undefined],
  ['error', Opcode.ERROR, 'code', undefined],
  ['error', Opcode.ERROR, 'retriable', 0],
  ['error', Opcode.ERROR, 'details', 1],
]

describe('a control field that is wrong', () => {
  it.each(CASES)('%s: opcode %d refuses %s = %j', (name, opcode, field, value) => {
    const failure = failureOf(() => decodeMap(opcode, { ...mapOf(name), [field]: value }))
    expect(failure.code).toBe('ERR_MALFORMED_BODY')
    const isInside = typeof value === 'object' && value !== null
    if (!isInside) expect(failure.message).toContain(`'${field}'`)
  })

  it('names the place inside lists and maps', () => {
    const map = { ...mapOf('connect'), codecs: ['none', 1] }
    expect(failureOf(() => decodeMap(Opcode.CONNECT, map)).message).toContain("'codecs[1]'")
  })
})

it('fills in every default of CONNECT', () => {
  expect(decodeMap(Opcode.CONNECT, { magic: 'millrace', versions: [1] })).toEqual({
    versions: [1],
    namespace: '/',
    mechanism: 'ANONYMOUS',
    initial: undefined,
    client: { name: '', version: '' },
    features: [],
    codecs: ['none'],
    heartbeatMs: 15000,
    frameBytesMax: 262144,
  })
})

it('ignores keys it does not know, also those every object inherits', () => {
  const map = { topic: 'a', extra: [1, { deep: true }], constructor: 1, toString: null }
  expect(decodeMap(Opcode.TOPIC_DESCRIBE, map)).toEqual({ topic: 'a' })
})

it('takes integers that arrive as floats', () => {
  // unsubscribe { subscription: 7.0 }
  const body = fromHex('81ac737562736372697074696f6ecb401c000000000000')
  expect(decodeMessage(Opcode.UNSUBSCRIBE, body)).toEqual({ subscription: 7 })
})

it('hands out binary fields that outlive the chunk', () => {
  const body = encodeControl({ response: fromHex('0102') })
  const { response } = decodeMessage(Opcode.AUTHENTICATE, body) as { response: Uint8Array }
  body.fill(0)
  expect(response).toEqual(fromHex('0102'))
})

it('describes a topic of ten thousand partitions, and refuses an answer beyond its limit', () => {
  const describe = (count: number): TopicDescription => ({
    topic: 'wide',
    id: 1,
    revision: 1,
    partitions: Array.from({ length: count }, (_, partition) => ({
      partition,
      earliest: 0,
      next: 5_000_000_000,
      highWatermark: 5_000_000_000,
      epoch: 1,
      bytes: 5_000_000_000,
    })),
    settings: {},
    createdAt: 1_700_000_000_000,
  })
  const body = encodeTopicDescription(describe(10_000))
  expect(body.length).toBeGreaterThan(CONTROL_BODY_BYTES_MAX)
  expect(decodeTopicDescription(body).partitions).toHaveLength(10_000)
  expect(failureOf(() => encodeTopicDescription(describe(20_000))).code).toBe('ERR_BODY_TOO_LARGE')
  const beyond = new Uint8Array(CONTROL_LIST_BYTES_MAX + 1)
  expect(failureOf(() => decodeTopicDescription(beyond)).message).toContain('limit of 1048576')
  expect(failureOf(() => decodeMessage(Opcode.TOPIC_LIST, body)).message).toContain(
    'limit of 65536',
  )
})

it('refuses an opcode it does not know', () => {
  expect(failureOf(() => decodeMessage(0x7e, new Uint8Array(0)))).toEqual({
    code: 'ERR_UNKNOWN_OPCODE',
    message: 'unknown opcode 126',
  })
})

it('echoes pings up to the limit and refuses one byte more', () => {
  const echo = new Uint8Array(PING_BODY_BYTES_MAX)
  expect(decodeMessage(Opcode.PING, echo)).toEqual({ echo })
  const failure = failureOf(() => decodeMessage(Opcode.PING, new Uint8Array(65)))
  expect(failure.code).toBe('ERR_MALFORMED_BODY')
})

describe('binary bodies', () => {
  it.each([
    ['PRODUCE', Opcode.PRODUCE, PRODUCE_HEAD_BYTES],
    ['PRODUCED', Opcode.PRODUCED, PRODUCED_BYTES],
    ['FETCH', Opcode.FETCH, FETCH_BYTES],
    ['FETCHED', Opcode.FETCHED, FETCHED_HEAD_BYTES],
    ['CREDIT', Opcode.CREDIT, CREDIT_BYTES],
    ['DELIVER', Opcode.DELIVER, DELIVER_HEAD_BYTES],
  ] as const)('%s needs its whole head', (name, opcode, bytes) => {
    const body = new Uint8Array(bytes)
    if (opcode === Opcode.PRODUCED) body[28] = 1
    expect(decodeMessage(opcode, body)).toBeDefined()
    const failure = failureOf(() => decodeMessage(opcode, body.subarray(0, bytes - 1)))
    expect(failure.message).toContain(`${name} needs ${bytes} bytes and has ${bytes - 1}`)
  })

  it('ignore zeros that are not and bytes after the end', () => {
    const body = fromHex(`00000007${'00000050'}ffff`)
    expect(decodeCredit(body)).toEqual({ subscription: 7, bytes: 80 })
    const produce = fromHex('000000010000000200ffffff')
    expect(decodeProduceHead(produce, createProduceHead())).toEqual({
      handle: 1,
      partition: 2,
      durability: 0,
    })
  })

  it('fill the object they are given', () => {
    const target = new Uint8Array(40)
    writeProduceHead(target, 3, 9, 8, 255)
    const head = createProduceHead()
    expect(decodeProduceHead(target.subarray(3), head)).toBe(head)
    expect(head).toEqual({ handle: 9, partition: 8, durability: 255 })
    writeDeliverHead(target, 5, 1, 2, Number.MAX_SAFE_INTEGER)
    const deliver = createDeliverHead()
    expect(decodeDeliverHead(target.subarray(5), deliver)).toBe(deliver)
    expect(deliver.nextOffset).toBe(Number.MAX_SAFE_INTEGER)
    const credit = createCredit()
    expect(decodeCredit(target, credit)).toBe(credit)
  })

  it.each([2, 3, 254])('refuses the wanted durability %d', (durability) => {
    const body = fromHex(`0000000100000000${durability.toString(16).padStart(2, '0')}000000`)
    const failure = failureOf(() => decodeProduceHead(body, createProduceHead()))
    expect(failure.code).toBe('ERR_UNSUPPORTED_DURABILITY')
  })

  it.each([0, 4])('refuses the reached durability %d', (durability) => {
    const body = encodeProduced(createProduced())
    body[28] = durability
    expect(failureOf(() => decodeProduced(body)).message).toContain(`durability ${durability}`)
  })

  it('refuse offsets that a double cannot hold', () => {
    const fetch = new Uint8Array(FETCH_BYTES)
    fetch.set(fromHex('001fffffffffffff'), 8)
    expect(decodeFetch(fetch).offset).toBe(Number.MAX_SAFE_INTEGER)
    fetch.set(fromHex('0020000000000000'), 8)
    expect(failureOf(() => decodeFetch(fetch)).message).toContain('offset is beyond 2^53 - 1')
    fetch.fill(0xff)
    expect(failureOf(() => decodeFetch(fetch)).code).toBe('ERR_MALFORMED_BODY')
    const head = failureOf(() => decodeFetchedHead(fetch, createFetchedHead()))
    expect(head.message).toContain('high watermark')
  })

  it('hand out batches as views', () => {
    const vector = allVectors.find(({ name }) => name === 'fetched')!
    const body = fromHex(vector.frame).subarray(FRAME_HEADER_BYTES)
    const { batches } = decodeMessage(Opcode.FETCHED, body) as { batches: Uint8Array }
    expect(batches.buffer).toBe(body.buffer)
  })
})
