/** The messages of queues, for generate.mjs: name, opcode, correlation, message. */
import { encodeHeaderBlock } from '@millrace/codec'
import { encodeDeadLetters } from '../../dist/index.js'

const text = (string) => new TextEncoder().encode(string)
const noBytes = new Uint8Array(0)
const exchange = {
  exchange: 'orders',
  predeclared: false,
  bindings: 2,
  settings: { type: 'topic', isDurable: true, labels: { owner: 'shop' } },
}
const queue = {
  queue: 'jobs',
  exclusive: false,
  ready: 5000000000,
  readyBytes: 6000000000,
  inFlight: 2,
  consumers: 1,
  counters: {
    published: 9,
    delivered: 8,
    redelivered: 1,
    settled: 6,
    deadLettered: 3,
    expired: 2,
    dropped: 4,
  },
  settings: { isDurable: true, lengthMax: 1000, overflow: 'reject', labels: {} },
}
const binding = {
  exchange: 'orders',
  targetKind: 'queue',
  target: 'jobs',
  routingKey: 'eu.#',
}
const headersBinding = {
  exchange: 'by-kind',
  targetKind: 'topic',
  target: 'events',
  routingKey: '',
  match: 'any-with-x',
  headers: { kind: 'pdf', urgent: null },
  typedHeaders: { size: 'l5' },
  labels: { from: 'amqp' },
}
const published = {
  exchange: 'orders',
  routingKey: 'eu.new',
  isPersistent: true,
  priority: 5,
  ttlMs: 60000,
  messageId: 'm-1',
  key: text('k1'),
  headers: encodeHeaderBlock([{ key: 'h', value: text('v') }]),
  payload: text('hello'),
}
const plainest = {
  exchange: '',
  routingKey: 'jobs',
  isPersistent: false,
  priority: 0,
  ttlMs: -1,
  headers: noBytes,
  payload: noBytes,
}
const delivered = {
  tag: 7,
  offset: 42,
  timestampMs: 1700000000000,
  ttlMs: 60000,
  count: 2,
  isPersistent: true,
  isRedelivered: true,
  priority: 5,
  exchange: 'orders',
  routingKey: 'eu.new',
  messageId: 'm-1',
  key: text('k1'),
  headers: published.headers,
  deadLetters: noBytes,
  payload: text('hello'),
}
const looked = {
  tag: 0,
  offset: 9007199254740991,
  timestampMs: 0,
  ttlMs: -1,
  count: 0,
  isPersistent: false,
  isRedelivered: false,
  priority: 0,
  exchange: '',
  routingKey: '',
  headers: noBytes,
  deadLetters: encodeDeadLetters([
    {
      queue: 'jobs',
      reason: 'expired',
      count: 2,
      exchange: 'orders',
      routingKeys: ['eu.new'],
      time: 1700000000000,
      originalTtl: 60000,
    },
  ]),
  payload: noBytes,
}

export const queueVectors = [
  [
    'exchange-declare',
    'EXCHANGE_DECLARE',
    30,
    {
      exchange: 'orders',
      settings: { type: 'topic', isDurable: true },
    },
  ],
  ['exchange-declared', 'EXCHANGE_DECLARED', 30, exchange],
  ['exchange-describe', 'EXCHANGE_DESCRIBE', 31, { exchange: 'orders' }],
  ['exchange-described', 'EXCHANGE_DESCRIBED', 31, exchange],
  ['exchange-list', 'EXCHANGE_LIST', 32, { prefix: 'o', after: 'old' }],
  ['exchange-listed', 'EXCHANGE_LISTED', 32, { exchanges: [exchange], more: true }],
  ['exchange-delete', 'EXCHANGE_DELETE', 33, { exchange: 'orders', ifUnused: true }],
  ['exchange-deleted', 'EXCHANGE_DELETED', 33, {}],
  ['bind', 'BIND', 34, binding],
  ['bind by headers', 'BIND', 35, headersBinding],
  ['bound', 'BOUND', 34, {}],
  ['unbind', 'UNBIND', 36, binding],
  ['unbound', 'UNBOUND', 36, {}],
  [
    'binding-list',
    'BINDING_LIST',
    37,
    {
      exchange: 'orders',
      target: 'jobs',
      targetKind: 'queue',
      skip: 500,
    },
  ],
  [
    'binding-listed',
    'BINDING_LISTED',
    37,
    {
      bindings: [binding, headersBinding],
      more: false,
    },
  ],
  [
    'queue-declare',
    'QUEUE_DECLARE',
    38,
    {
      queue: 'jobs',
      settings: { lengthMax: 1000, overflow: 'reject' },
      exclusive: true,
    },
  ],
  ['queue-declared', 'QUEUE_DECLARED', 38, queue],
  ['queue-describe', 'QUEUE_DESCRIBE', 39, { queue: 'jobs' }],
  ['queue-described', 'QUEUE_DESCRIBED', 39, queue],
  ['queue-described-with-delayed', 'QUEUE_DESCRIBED', 39, { ...queue, delayed: 3 }],
  ['queue-list', 'QUEUE_LIST', 40, { prefix: 'j' }],
  ['queue-listed', 'QUEUE_LISTED', 40, { queues: [queue], more: false }],
  ['queue-alter', 'QUEUE_ALTER', 41, { queue: 'jobs', settings: { lengthMax: null } }],
  ['queue-altered', 'QUEUE_ALTERED', 41, queue],
  ['queue-delete', 'QUEUE_DELETE', 42, { queue: 'jobs', ifUnused: true, ifEmpty: false }],
  ['queue-deleted', 'QUEUE_DELETED', 42, { messages: 5000000000 }],
  ['queue-purge', 'QUEUE_PURGE', 43, { queue: 'jobs' }],
  ['queue-purged', 'QUEUE_PURGED', 43, { messages: 3 }],
  ['queue-peek', 'QUEUE_PEEK', 44, { queue: 'jobs', count: 10 }],
  ['queue-peeked', 'QUEUE_PEEKED', 44, [looked, { ...delivered, tag: 0 }]],
  ['queue-peeked with nothing', 'QUEUE_PEEKED', 45, []],
  [
    'queue-move',
    'QUEUE_MOVE',
    46,
    {
      queue: 'failed',
      exchange: 'orders',
      routingKey: 'eu.new',
      count: 100,
    },
  ],
  ['queue-moved', 'QUEUE_MOVED', 46, { messages: 100 }],
  ['queue-replay', 'QUEUE_REPLAY', 47, { queue: 'jobs', since: 1700000000000 }],
  ['queue-replayed', 'QUEUE_REPLAYED', 47, { messages: 0 }],
  ['publish', 'PUBLISH', 48, { isSilent: false, messages: [published] }],
  [
    'publish without an answer',
    'PUBLISH',
    0,
    {
      isSilent: true,
      messages: [plainest, published],
    },
  ],
  ['published', 'PUBLISHED', 48, { outcomes: [{ targets: 2, error: 0 }], text: '' }],
  [
    'published with an error',
    'PUBLISHED',
    49,
    {
      outcomes: [
        { targets: 65535, error: 0 },
        { targets: 0, error: 0x011d },
      ],
      text: "exchange 'nowhere' does not exist",
    },
  ],
  [
    'commit',
    'COMMIT',
    50,
    {
      settlements: [{ from: 1, to: 7, outcome: 0 }],
      messages: [published, plainest],
    },
  ],
  [
    'commit of settlements alone',
    'COMMIT',
    51,
    {
      settlements: [
        { from: 5000000000, to: 5000000000, outcome: 2 },
        { from: 1, to: 9007199254740991, outcome: 1 },
      ],
      messages: [],
    },
  ],
  [
    'committed',
    'COMMITTED',
    50,
    {
      outcomes: [
        { targets: 1, error: 0 },
        { targets: 0, error: 0 },
      ],
      text: '',
    },
  ],
  [
    'consume',
    'CONSUME',
    52,
    {
      consumer: 4294967295,
      queue: 'jobs',
      credit: 100,
      autoSettle: false,
      exclusive: true,
      priority: -2147483648,
    },
  ],
  ['consuming', 'CONSUMING', 52, { consumer: 4294967295 }],
  ['consumer-alter', 'CONSUMER_ALTER', 53, { consumer: 3, credit: 0 }],
  ['consumer-altered', 'CONSUMER_ALTERED', 53, {}],
  ['consumer-cancel', 'CONSUMER_CANCEL', 54, { consumer: 3 }],
  ['consumer-cancelled', 'CONSUMER_CANCELLED', 54, {}],
  ['get', 'GET', 55, { queue: 'jobs', autoSettle: true }],
  ['got', 'GOT', 55, { ready: 5000000000, delivery: delivered }],
  ['got nothing', 'GOT', 56, { ready: 0 }],
  [
    'settle',
    'SETTLE',
    57,
    {
      outcome: 0,
      isDurable: true,
      ranges: [
        { from: 1, to: 7 },
        { from: 9, to: 9 },
      ],
    },
  ],
  [
    'settle to requeue',
    'SETTLE',
    58,
    {
      outcome: 1,
      isDurable: false,
      ranges: [{ from: 8, to: 8 }],
    },
  ],
  ['settled', 'SETTLED', 57, {}],
  ['queue-deliver', 'QUEUE_DELIVER', 3, [delivered]],
  [
    'consumer-end',
    'CONSUMER_END',
    3,
    {
      consumer: 3,
      code: 0x011c,
      message: "queue 'jobs' was deleted",
    },
  ],
]
