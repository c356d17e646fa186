/**
 * Writes session.json, messages.json and queues.json from the built codec: `npx tsc -b packages/protocol`, then
 * `node packages/protocol/test/vectors/generate.mjs`. Run it to add vectors. A changed byte of an
 * old vector is a changed protocol: read docs/protocol.md, "Versions", first.
 */
import { writeFileSync } from 'node:fs'
import { RecordBatchBuilder, partitionForKey, murmur2 } from '@millrace/codec'
import { encodeFrame, encodeMessage, Opcode } from '../../dist/index.js'
import { queueVectors } from './queue-vectors.mjs'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const text = (string) => new TextEncoder().encode(string)
const toJson = (_key, value) => (value instanceof Uint8Array ? { $hex: hex(value) } : value)

const vector = (name, opcode, correlation, message, channel = 0) => ({
  name,
  opcode,
  channel,
  correlation,
  message,
  frame: hex(
    encodeFrame(Opcode[opcode], channel, correlation, encodeMessage(Opcode[opcode], message)),
  ),
})

const batchOf = (baseOffset, leaderEpoch) => {
  const builder = new RecordBatchBuilder({ baseOffset, leaderEpoch })
  builder.append({
    key: text('k1'),
    value: text('hello'),
    headers: [{ key: 'h', value: text('v') }],
    timestamp: 1_700_000_000_000,
  })
  return builder.build()
}
const sent = batchOf(0, -1)
const stored = batchOf(0, 3)

const description = {
  topic: 'orders',
  id: 4,
  revision: 2,
  partitions: [
    { partition: 0, earliest: 0, next: 1, highWatermark: 1, epoch: 3, bytes: sent.length },
  ],
  settings: { durability: 'persisted', segmentBytes: 5_000_000_000 },
  createdAt: 1_700_000_000_000,
}

const session = [
  vector('connect', 'CONNECT', 1, {
    versions: [1],
    namespace: '/',
    mechanism: 'ANONYMOUS',
    client: { name: 'demo', version: '1.0' },
    features: [],
    codecs: ['none'],
    heartbeatMs: 15000,
    frameBytesMax: 262144,
  }),
  vector('connected', 'CONNECTED', 1, {
    version: 1,
    broker: { name: 'millrace', version: '0.1.0' },
    node: 1,
    authenticated: true,
    mechanisms: ['ANONYMOUS'],
    features: [],
    codecs: ['none'],
    heartbeatMs: 15000,
    frameBytesMax: 262144,
    bodyBytesMax: 16781312,
    batchBytesMax: 16777216,
    inFlightCountMax: 1024,
    autoCreateTopics: true,
  }),
  vector('topic-open', 'TOPIC_OPEN', 2, { topic: 'orders', create: true }),
  vector('topic-opened', 'TOPIC_OPENED', 2, {
    handle: 1,
    topic: 'orders',
    partitions: 1,
    durability: 'persisted',
    batchBytesMax: 16777216,
  }),
  vector('produce', 'PRODUCE', 3, { handle: 1, partition: 0, durability: 0, batch: sent }),
  vector('produced', 'PRODUCED', 3, {
    baseOffset: 0,
    nextOffset: 1,
    timestampMs: -1,
    leaderEpoch: 3,
    durability: 2,
  }),
  vector('fetch', 'FETCH', 4, {
    handle: 1,
    partition: 0,
    offset: 0,
    maxBytes: 1048576,
    minBytes: 1,
    maxWaitMs: 500,
    flags: 0,
  }),
  vector('fetched', 'FETCHED', 4, {
    highWatermark: 1,
    earliestOffset: 0,
    nextOffset: 1,
    leaderEpoch: 3,
    batches: stored,
  }),
  vector(
    'subscribe',
    'SUBSCRIBE',
    5,
    { subscription: 7, topic: 'orders', from: 'earliest', credit: 1048576 },
    2,
  ),
  vector(
    'subscribed',
    'SUBSCRIBED',
    5,
    { subscription: 7, topic: 'orders', partitions: [{ partition: 0, offset: 0 }] },
    2,
  ),
  vector(
    'deliver',
    'DELIVER',
    7,
    { partition: 0, highWatermark: 1, nextOffset: 1, batches: stored },
    2,
  ),
  vector('credit', 'CREDIT', 0, { subscription: 7, bytes: stored.length }, 2),
  vector('ping', 'PING', 6, { echo: new Uint8Array(0) }),
  vector('pong', 'PONG', 6, { echo: new Uint8Array(0) }),
  vector('topic-describe', 'TOPIC_DESCRIBE', 8, { topic: 'nowhere' }),
  vector('error', 'ERROR', 8, {
    code: 0x0101,
    message: "topic 'nowhere' does not exist",
    retriable: false,
  }),
  vector('close', 'CLOSE', 9, {}),
  vector('closed', 'CLOSED', 9, {}),
]

const messages = [
  vector('connect with a login', 'CONNECT', 0xffffffff, {
    versions: [2, 1],
    namespace: '/shop',
    mechanism: 'PLAIN',
    initial: text('\0ann\0secret'),
    client: { name: '', version: '' },
    features: ['future'],
    codecs: ['none', 'zstd'],
    heartbeatMs: 0,
    frameBytesMax: 4294967295,
  }),
  vector('connected with a challenge', 'CONNECTED', 1, {
    version: 1,
    broker: { name: 'millrace', version: '0.1.0' },
    node: 0,
    authenticated: false,
    challenge: text('who?'),
    mechanisms: ['PLAIN'],
    features: [],
    codecs: ['none'],
    heartbeatMs: 0,
    frameBytesMax: 8192,
    bodyBytesMax: 8192,
    batchBytesMax: 4096,
    inFlightCountMax: 1,
    autoCreateTopics: false,
  }),
  vector('authenticate', 'AUTHENTICATE', 2, { response: text('\0ann\0secret') }),
  vector('authenticated', 'AUTHENTICATED', 2, { authenticated: true }),
  vector('authenticated with a challenge', 'AUTHENTICATED', 2, {
    authenticated: false,
    challenge: new Uint8Array(0),
  }),
  vector('authenticate to renew', 'AUTHENTICATE', 2, {
    mechanism: 'OAUTHBEARER',
    response: text('n,,\u0001auth=Bearer t\u0001\u0001'),
  }),
  vector('authenticated for an hour', 'AUTHENTICATED', 2, {
    authenticated: true,
    expiresInMs: 3600000,
  }),
  vector('ping with an echo', 'PING', 3, { echo: new Uint8Array(64).fill(0xab) }),
  vector('go-away', 'GO_AWAY', 0, {
    code: 0x0008,
    reason: 'the broker is shutting down: reconnect',
    reconnectAfterMs: 250,
  }),
  vector('topic-create', 'TOPIC_CREATE', 4, {
    topic: 'orders',
    partitions: 16,
    settings: { durability: 'memory', segmentMs: 86400000 },
    ifNotExists: true,
  }),
  vector('topic-created', 'TOPIC_CREATED', 4, description),
  vector('topic-list', 'TOPIC_LIST', 5, { prefix: 'or', after: 'orchard' }),
  vector('topic-listed', 'TOPIC_LISTED', 5, {
    topics: [{ topic: 'orders', id: 4, partitions: 1, durability: 'persisted', revision: 2 }],
    more: true,
  }),
  vector('topic-described', 'TOPIC_DESCRIBED', 6, description),
  vector('topic-alter', 'TOPIC_ALTER', 7, {
    topic: 'orders',
    settings: { segmentBytes: null },
    partitions: 4,
    revision: 2,
  }),
  vector('topic-altered', 'TOPIC_ALTERED', 7, description),
  vector('topic-delete', 'TOPIC_DELETE', 8, { topic: 'orders', revision: 3 }),
  vector('topic-deleted', 'TOPIC_DELETED', 8, {}),
  vector(
    'produce without an answer',
    'PRODUCE',
    9,
    {
      handle: 0xffffffff,
      partition: 15,
      durability: 255,
      batch: sent,
    },
    0xffff,
  ),
  vector('produced with the broker’s time', 'PRODUCED', 10, {
    baseOffset: 9007199254740990,
    nextOffset: 9007199254740991,
    timestampMs: 1700000000001,
    leaderEpoch: 0xffffffff,
    durability: 1,
  }),
  vector('fetched without a batch', 'FETCHED', 11, {
    highWatermark: 0,
    earliestOffset: 0,
    nextOffset: 0,
    leaderEpoch: 0,
    batches: new Uint8Array(0),
  }),
  vector('list-offsets by time', 'LIST_OFFSETS', 12, {
    topic: 'orders',
    partitions: [0, 3],
    at: 1700000000000,
  }),
  vector('list-offsets of the start', 'LIST_OFFSETS', 13, { topic: 'orders', at: 'earliest' }),
  vector('offsets-listed', 'OFFSETS_LISTED', 12, {
    offsets: [
      { partition: 0, offset: 0, timestamp: 1700000000000, highWatermark: 1 },
      { partition: 3, offset: 9, timestamp: -1, highWatermark: 9 },
    ],
  }),
  vector('subscribe to resume', 'SUBSCRIBE', 14, {
    subscription: 1,
    topic: 'orders',
    partitions: [0, 1],
    from: { offsets: { 0: 5000000000, 1: 0 } },
    credit: 0,
    maxBytesPerDeliver: 65536,
  }),
  vector('subscribe from a moment', 'SUBSCRIBE', 15, {
    subscription: 4294967295,
    topic: 'orders',
    from: { timestamp: 1700000000000 },
    credit: 4294967295,
  }),
  vector('subscribe from an offset', 'SUBSCRIBE', 16, {
    subscription: 2,
    topic: 'orders',
    partitions: [0],
    from: 42,
    credit: 1,
  }),
  vector('unsubscribe', 'UNSUBSCRIBE', 17, { subscription: 7 }),
  vector('unsubscribed', 'UNSUBSCRIBED', 17, { subscription: 7 }),
  vector('subscription-end', 'SUBSCRIPTION_END', 7, {
    subscription: 7,
    code: 0x0110,
    message: "topic 'orders' was deleted",
  }),
  vector('subscription-end for damage', 'SUBSCRIPTION_END', 7, {
    subscription: 7,
    code: 0x0203,
    message: "offsets 10 to 20 of 'orders' are damaged",
    partition: 3,
    from: 10,
    to: 21,
  }),
  vector('topic-opened with the topic’s id', 'TOPIC_OPENED', 18, {
    handle: 2,
    topic: 'orders',
    id: 4,
    partitions: 1,
    durability: 'persisted',
    batchBytesMax: 16777216,
  }),
  vector('subscribed with the topic’s id', 'SUBSCRIBED', 14, {
    subscription: 1,
    topic: 'orders',
    id: 4,
    partitions: [{ partition: 0, offset: 5000000000 }],
  }),
  vector('topic-truncate', 'TOPIC_TRUNCATE', 19, { topic: 'orders', partition: 3, from: 10 }),
  vector('topic-truncated', 'TOPIC_TRUNCATED', 19, { next: 5000000000 }),
  vector('user-put', 'USER_PUT', 20, {
    user: 'ann',
    create: true,
    password: 'correct horse',
    administrator: false,
    disabled: false,
    certificateNames: ['ann.example'],
  }),
  vector('user-put to disable', 'USER_PUT', 21, {
    user: 'ann',
    create: false,
    disabled: true,
    revision: 2,
  }),
  vector('user-put with quotas', 'USER_PUT', 22, {
    user: 'ann',
    create: false,
    quotas: { bytesInPerSecond: 10485760, connections: 5 },
  }),
  vector('user-stored', 'USER_STORED', 20, {
    user: 'ann',
    revision: 2,
    createdAt: 1700000000000,
    changedAt: 1700000000001,
    administrator: false,
    disabled: false,
    certificateNames: ['ann.example'],
    hasPassword: true,
  }),
  vector('user-stored with quotas', 'USER_STORED', 22, {
    user: 'ann',
    revision: 2,
    createdAt: 1700000000000,
    changedAt: 1700000000001,
    administrator: false,
    disabled: false,
    certificateNames: ['ann.example'],
    quotas: { bytesOutPerSecond: 0, topics: 50 },
    hasPassword: true,
  }),
  vector('user-delete', 'USER_DELETE', 22, { user: 'ann', revision: 3 }),
  vector('user-deleted', 'USER_DELETED', 22, {}),
  vector('user-list', 'USER_LIST', 23, { after: 'adam' }),
  vector('user-listed', 'USER_LISTED', 23, {
    users: [
      {
        user: 'ann',
        revision: 2,
        createdAt: 1700000000000,
        changedAt: 1700000000001,
        administrator: false,
        disabled: false,
        certificateNames: ['ann.example'],
        hasPassword: true,
      },
    ],
    more: true,
  }),
  vector('permission-grant', 'PERMISSION_GRANT', 24, {
    user: 'ann',
    effect: 'allow',
    actions: ['write', 'read'],
    namespace: '/',
    kind: 'topic',
    pattern: 'orders.*',
  }),
  vector('permission-granted', 'PERMISSION_GRANTED', 24, {
    user: 'ann',
    effect: 'allow',
    actions: ['write', 'read'],
    namespace: '/',
    kind: 'topic',
    pattern: 'orders.*',
  }),
  vector('permission-revoke', 'PERMISSION_REVOKE', 25, {
    user: 'ann',
    effect: 'allow',
    actions: ['write', 'read'],
    namespace: '/',
    kind: 'topic',
    pattern: 'orders.*',
  }),
  vector('permission-revoked', 'PERMISSION_REVOKED', 25, { changed: true, actions: ['configure'] }),
  vector('permission-list', 'PERMISSION_LIST', 26, { user: 'ann', skip: 500 }),
  vector('permission-listed', 'PERMISSION_LISTED', 26, {
    permissions: [
      {
        user: 'ann',
        effect: 'allow',
        actions: ['write', 'read'],
        namespace: '/',
        kind: 'topic',
        pattern: 'orders.*',
      },
    ],
    more: false,
  }),
  vector('access-explain', 'ACCESS_EXPLAIN', 27, {
    user: 'ann',
    action: 'write',
    namespace: '/',
    kind: 'topic',
    name: 'orders.eu',
  }),
  vector('access-explained', 'ACCESS_EXPLAINED', 27, {
    allowed: true,
    reason: 'permission',
    permission: {
      user: 'ann',
      effect: 'allow',
      actions: ['write', 'read'],
      namespace: '/',
      kind: 'topic',
      pattern: 'orders.*',
    },
  }),
  vector('init-producer', 'INIT_PRODUCER', 20, {}),
  vector('producer-initialized', 'PRODUCER_INITIALIZED', 20, {
    producer: 5000000000,
    epoch: 32767,
  }),
  vector('records-delete', 'RECORDS_DELETE', 21, {
    topic: 'orders',
    partitions: [
      { partition: 0, before: 5000000000 },
      { partition: 3, before: -1 },
    ],
  }),
  vector('records-deleted', 'RECORDS_DELETED', 21, {
    partitions: [
      { partition: 0, earliest: 5000000000 },
      { partition: 3, earliest: 9 },
    ],
  }),
  vector('storage-check', 'STORAGE_CHECK', 22, { topic: 'orders' }),
  vector('storage-checked', 'STORAGE_CHECKED', 22, {
    logs: 1,
    segments: 3,
    batches: 70,
    bytes: 5000000000,
    durationMs: 1200,
    damagedRanges: 1,
    ranges: [{ log: 'orders/0', logId: 7, segment: 400, kind: 'batch', from: 410, to: 412 }],
    damagedFiles: 1,
    files: [{ log: 'orders/0', logId: 7, segment: 0, file: 'index' }],
  }),
  vector('backup', 'BACKUP', 23, { name: 'monday' }),
  vector('backed-up', 'BACKED_UP', 23, {
    name: 'monday',
    path: '/var/lib/millrace/backups/monday',
    files: 12,
    bytes: 5000000000,
    durationMs: 900,
  }),
  vector('error with details', 'ERROR', 0, {
    code: 0x0401,
    message: 'too many requests in flight: wait for answers',
    retriable: true,
    details: { limit: 1024 },
  }),
]

const keys = ['', 'a', 'ab', 'abc', 'abcd', 'k1', 'order-17', 'Grüße', '21b8c1f2']
const partitions = keys.map((key) => ({
  key,
  bytes: hex(text(key)),
  hash: murmur2(text(key)),
  positive: murmur2(text(key)) & 0x7fffffff,
  of6: partitionForKey(text(key), 6),
}))

const save = (name, value) =>
  writeFileSync(new URL(name, import.meta.url), JSON.stringify(value, toJson, 2) + '\n')
save('session.json', session)
save('messages.json', messages)
save(
  'queues.json',
  queueVectors.map((fields) => vector(...fields)),
)
save('key-partitions.json', partitions)
