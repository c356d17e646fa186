/**
 * What a frame means. Append-only: a retired number is listed here and never used again.
 * Retired so far: none.
 *
 * Bit 7 set: the answer to the request with the same low seven bits. 0x7f is the one opcode without
 * an answer of its own: it answers any request that failed.
 */
export const RESPONSE_BIT = 0x80

export const Opcode = {
  CONNECT: 0x01,
  CONNECTED: 0x81,
  AUTHENTICATE: 0x02,
  AUTHENTICATED: 0x82,
  PING: 0x03,
  PONG: 0x83,
  GO_AWAY: 0x04,
  CLOSE: 0x05,
  CLOSED: 0x85,
  TOPIC_CREATE: 0x10,
  TOPIC_CREATED: 0x90,
  TOPIC_LIST: 0x11,
  TOPIC_LISTED: 0x91,
  TOPIC_DESCRIBE: 0x12,
  TOPIC_DESCRIBED: 0x92,
  TOPIC_ALTER: 0x13,
  TOPIC_ALTERED: 0x93,
  TOPIC_DELETE: 0x14,
  TOPIC_DELETED: 0x94,
  TOPIC_OPEN: 0x15,
  TOPIC_OPENED: 0x95,
  TOPIC_TRUNCATE: 0x16,
  TOPIC_TRUNCATED: 0x96,
  PRODUCE: 0x20,
  PRODUCED: 0xa0,
  FETCH: 0x21,
  FETCHED: 0xa1,
  LIST_OFFSETS: 0x22,
  OFFSETS_LISTED: 0xa2,
  INIT_PRODUCER: 0x23,
  PRODUCER_INITIALIZED: 0xa3,
  RECORDS_DELETE: 0x24,
  RECORDS_DELETED: 0xa4,
  SUBSCRIBE: 0x30,
  SUBSCRIBED: 0xb0,
  UNSUBSCRIBE: 0x31,
  UNSUBSCRIBED: 0xb1,
  CREDIT: 0x32,
  DELIVER: 0x33,
  SUBSCRIPTION_END: 0x34,
  USER_PUT: 0x40,
  USER_STORED: 0xc0,
  USER_DELETE: 0x41,
  USER_DELETED: 0xc1,
  USER_LIST: 0x42,
  USER_LISTED: 0xc2,
  PERMISSION_GRANT: 0x43,
  PERMISSION_GRANTED: 0xc3,
  PERMISSION_REVOKE: 0x44,
  PERMISSION_REVOKED: 0xc4,
  PERMISSION_LIST: 0x45,
  PERMISSION_LISTED: 0xc5,
  ACCESS_EXPLAIN: 0x46,
  ACCESS_EXPLAINED: 0xc6,
  STORAGE_CHECK: 0x48,
  STORAGE_CHECKED: 0xc8,
  BACKUP: 0x49,
  BACKED_UP: 0xc9,
  EXCHANGE_DECLARE: 0x50,
  EXCHANGE_DECLARED: 0xd0,
  EXCHANGE_DESCRIBE: 0x51,
  EXCHANGE_DESCRIBED: 0xd1,
  EXCHANGE_LIST: 0x52,
  EXCHANGE_LISTED: 0xd2,
  EXCHANGE_DELETE: 0x53,
  EXCHANGE_DELETED: 0xd3,
  BIND: 0x54,
  BOUND: 0xd4,
  UNBIND: 0x55,
  UNBOUND: 0xd5,
  BINDING_LIST: 0x56,
  BINDING_LISTED: 0xd6,
  QUEUE_DECLARE: 0x58,
  QUEUE_DECLARED: 0xd8,
  QUEUE_DESCRIBE: 0x59,
  QUEUE_DESCRIBED: 0xd9,
  QUEUE_LIST: 0x5a,
  QUEUE_LISTED: 0xda,
  QUEUE_ALTER: 0x5b,
  QUEUE_ALTERED: 0xdb,
  QUEUE_DELETE: 0x5c,
  QUEUE_DELETED: 0xdc,
  QUEUE_PURGE: 0x5d,
  QUEUE_PURGED: 0xdd,
  QUEUE_PEEK: 0x5e,
  QUEUE_PEEKED: 0xde,
  QUEUE_MOVE: 0x5f,
  QUEUE_MOVED: 0xdf,
  QUEUE_REPLAY: 0x60,
  QUEUE_REPLAYED: 0xe0,
  PUBLISH: 0x64,
  PUBLISHED: 0xe4,
  COMMIT: 0x65,
  COMMITTED: 0xe5,
  CONSUME: 0x68,
  CONSUMING: 0xe8,
  CONSUMER_ALTER: 0x69,
  CONSUMER_ALTERED: 0xe9,
  CONSUMER_CANCEL: 0x6a,
  CONSUMER_CANCELLED: 0xea,
  GET: 0x6b,
  GOT: 0xeb,
  SETTLE: 0x6c,
  SETTLED: 0xec,
  QUEUE_DELIVER: 0x70,
  CONSUMER_END: 0x71,
  ERROR: 0x7f,
} as const

export type Opcode = (typeof Opcode)[keyof typeof Opcode]
export type OpcodeName = keyof typeof Opcode

const namesByOpcode: ReadonlyMap<number, OpcodeName> = new Map(
  Object.entries(Opcode).map(([name, opcode]) => [opcode, name as OpcodeName]),
)

export const isOpcode = (value: number): value is Opcode => namesByOpcode.has(value)

export const isResponse = (opcode: number): boolean => (opcode & RESPONSE_BIT) !== 0

/** Low numbers that nobody answers: pushes of the broker, and credit for them. */
const unanswered: ReadonlySet<number> = new Set([
  Opcode.GO_AWAY,
  Opcode.CREDIT,
  Opcode.DELIVER,
  Opcode.SUBSCRIPTION_END,
  Opcode.QUEUE_DELIVER,
  Opcode.CONSUMER_END,
  Opcode.ERROR,
])

/** Whether its correlation is one that an answer repeats; unknown numbers count as requests. */
export const isRequest = (opcode: number): boolean => !isResponse(opcode) && !unanswered.has(opcode)

/** For logs and errors: the name, or the number when this version does not know it. */
export const opcodeName = (opcode: number): string =>
  namesByOpcode.get(opcode) ?? `0x${opcode.toString(16).padStart(2, '0')}`
