/** Exchanges, bindings and queues as a whole, over the wire. */
import {
  type Binding,
  decodeBindingListed,
  decodeConnected,
  decodeExchangeDescription,
  decodeExchangeListed,
  decodeMessagesCounted,
  decodeQueueDescription,
  decodeQueueListed,
  encodeBinding,
  encodeBindingList,
  encodeConnect,
  encodeExchangeDeclare,
  encodeExchangeDelete,
  encodeExchangeDescribe,
  encodeNameList,
  encodeQueueAlter,
  encodeQueueDeclare,
  encodeQueueDelete,
  encodeQueueDescribe,
  encodeQueueMove,
  encodeQueueReplay,
  Opcode,
} from '@millrace/protocol'
import { connectBody, RawPeer } from '../../support/raw-peer.ts'
import { type MessagingServer, startMessagingServer } from './support.ts'

let server: MessagingServer
let peer: RawPeer

beforeEach(async () => {
  server = await startMessagingServer()
  peer = await RawPeer.open(server.fake.port)
})

afterEach(async () => {
  peer.close()
  await server.fake.stop()
})

const ask = async (opcode: number, body: Uint8Array): Promise<Uint8Array> => {
  peer.send(opcode, body)
  return (await peer.take(opcode | 0x80)).body
}

it('names the feature to clients that named it', async () => {
  const other = await RawPeer.dial(server.fake.port)
  other.send(Opcode.CONNECT, encodeConnect({ ...connectBody, features: ['future', 'queues'] }))
  const { body } = await other.take(Opcode.CONNECTED)
  expect(decodeConnected(body).features).toEqual(['queues'])
  other.close()
})

describe('an exchange', () => {
  it('is declared, described, listed and deleted', async () => {
    const settings = { type: 'topic', isDurable: true, alternateExchange: null }
    const declare = encodeExchangeDeclare({ exchange: 'orders', settings })
    const declared = decodeExchangeDescription(await ask(Opcode.EXCHANGE_DECLARE, declare))
    expect(declared).toEqual({
      exchange: 'orders',
      predeclared: false,
      bindings: 0,
      settings: { type: 'topic', isDurable: true },
    })
    const describe = encodeExchangeDescribe({ exchange: 'orders' })
    expect(decodeExchangeDescription(await ask(Opcode.EXCHANGE_DESCRIBE, describe))).toEqual(
      declared,
    )
    await ask(Opcode.EXCHANGE_DECLARE, encodeExchangeDeclare({ exchange: 'others' }))
    await ask(Opcode.EXCHANGE_DECLARE, encodeExchangeDeclare({ exchange: 'logs' }))
    const list = encodeNameList({ prefix: 'o', after: 'orders' })
    const { exchanges, more } = decodeExchangeListed(await ask(Opcode.EXCHANGE_LIST, list))
    expect([exchanges.map(({ exchange }) => exchange), more]).toEqual([['others'], false])
    await ask(Opcode.EXCHANGE_DELETE, encodeExchangeDelete({ exchange: 'orders', ifUnused: true }))
    expect(server.messaging.calls).toEqual([
      ['deleteExchange', { exchange: 'orders', ifUnused: true }],
    ])
  })

  it('is listed by two hundred', async () => {
    for (let index = 0; index < 201; index++) {
      server.messaging.exchanges.set(`e${String(index).padStart(3, '0')}`, {})
    }
    const first = decodeExchangeListed(await ask(Opcode.EXCHANGE_LIST, encodeNameList({})))
    expect([first.exchanges.length, first.more]).toEqual([200, true])
    const after = first.exchanges.at(-1)?.exchange
    const second = decodeExchangeListed(await ask(Opcode.EXCHANGE_LIST, encodeNameList({ after })))
    expect(second.exchanges.map(({ exchange }) => exchange)).toEqual(['e200'])
  })

  it.each([
    [{ colour: 'red' }, "argument 'colour' is not valid: no such setting"],
    [{ toString: 'x' }, "argument 'toString' is not valid: no such setting"],
    [{ isDurable: 1 }, "argument 'isDurable' is not valid: it must be true or false"],
    [{ type: 7 }, "argument 'type' is not valid: it must be a text"],
    [{ labels: { a: 1 } }, "argument 'labels' is not valid: it must be a map of texts"],
    [{ labels: ['a'] }, "argument 'labels' is not valid: it must be a map of texts"],
  ])('with the settings %j is refused', async (settings, message) => {
    peer.send(Opcode.EXCHANGE_DECLARE, encodeExchangeDeclare({ exchange: 'e', settings }))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message })
  })
})

describe('a binding', () => {
  const plain: Binding = { exchange: 'e', targetKind: 'queue', target: 'q', routingKey: 'a.#' }

  it('is made, listed and removed', async () => {
    await ask(Opcode.BIND, encodeBinding(plain))
    await ask(Opcode.BIND, encodeBinding({ ...plain, target: 'other' }))
    expect(server.messaging.bindings).toMatchObject([plain, { ...plain, target: 'other' }])
    const list = encodeBindingList({ target: 'q', skip: 0 })
    const listed = decodeBindingListed(await ask(Opcode.BINDING_LIST, list))
    expect(listed).toMatchObject({ bindings: [plain], more: false })
    await ask(Opcode.UNBIND, encodeBinding(plain))
    expect(server.messaging.calls).toMatchObject([['unbind', plain]])
  })

  it('by headers says texts as the engine compares them, and back', async () => {
    const binding: Binding = {
      ...plain,
      match: 'any-with-x',
      headers: { kind: 'pdf', urgent: null, empty: '' },
      typedHeaders: { size: 'l5' },
      labels: { from: 'test' },
    }
    await ask(Opcode.BIND, encodeBinding(binding))
    expect(server.messaging.bindings[0]?.headers).toEqual({
      kind: 'spdf',
      urgent: null,
      empty: 's',
      size: 'l5',
    })
    const listed = decodeBindingListed(
      await ask(Opcode.BINDING_LIST, encodeBindingList({ skip: 0 })),
    )
    expect(listed.bindings).toEqual([binding])
  })

  it('with a header said twice is refused', async () => {
    const binding = { ...plain, headers: { a: 'x' }, typedHeaders: { a: 'l5' } }
    peer.send(Opcode.BIND, encodeBinding(binding))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('is listed by five hundred', async () => {
    for (let index = 0; index < 501; index++) server.messaging.bindings.push(plain)
    const page = async (skip: number): Promise<unknown[]> => {
      const body = await ask(Opcode.BINDING_LIST, encodeBindingList({ skip }))
      const { bindings, more } = decodeBindingListed(body)
      return [bindings.length, more]
    }
    expect([await page(0), await page(500)]).toEqual([
      [500, true],
      [1, false],
    ])
  })
})

describe('a queue', () => {
  it('is declared, described, listed, altered and deleted', async () => {
    const settings = { lengthMax: 10, overflow: 'reject', deadLetterExchange: null }
    const declare = encodeQueueDeclare({ queue: 'jobs', settings })
    const declared = decodeQueueDescription(await ask(Opcode.QUEUE_DECLARE, declare))
    expect(declared).toMatchObject({
      queue: 'jobs',
      exclusive: false,
      ready: 0,
      settings: { lengthMax: 10, overflow: 'reject' },
    })
    const describe = encodeQueueDescribe({ queue: 'jobs' })
    expect(decodeQueueDescription(await ask(Opcode.QUEUE_DESCRIBE, describe))).toEqual(declared)
    const list = decodeQueueListed(await ask(Opcode.QUEUE_LIST, encodeNameList({ prefix: 'j' })))
    expect(list).toEqual({ queues: [declared], more: false })
    const alter = encodeQueueAlter({ queue: 'jobs', settings: { lengthMax: null, bytesMax: 5 } })
    await ask(Opcode.QUEUE_ALTER, alter)
    await ask(
      Opcode.QUEUE_DELETE,
      encodeQueueDelete({ queue: 'jobs', ifUnused: true, ifEmpty: true }),
    )
    expect(server.messaging.calls).toEqual([
      ['alterQueue', { queue: 'jobs', settings: { lengthMax: null, bytesMax: 5 } }],
      ['deleteQueue', 'jobs', true, true],
    ])
  })

  it('that is exclusive is its connection’s, and goes with it', async () => {
    const declare = encodeQueueDeclare({ queue: 'mine', exclusive: true })
    const body = await ask(Opcode.QUEUE_DECLARE, declare)
    expect(decodeQueueDescription(body).exclusive).toBe(true)
    const other = await RawPeer.open(server.fake.port)
    other.send(Opcode.QUEUE_DESCRIBE, encodeQueueDescribe({ queue: 'mine' }))
    expect(await other.takeError()).toMatchObject({ code: 'ERR_QUEUE_LOCKED' })
    peer.send(Opcode.CLOSE)
    await peer.closed()
    other.send(Opcode.QUEUE_DESCRIBE, encodeQueueDescribe({ queue: 'mine' }))
    expect(await other.takeError()).toMatchObject({ code: 'ERR_QUEUE_NOT_FOUND' })
    other.close()
  })

  it('is purged, moved and replayed', async () => {
    server.messaging.addQueue('jobs')
    const count = async (opcode: number, body: Uint8Array): Promise<number> =>
      decodeMessagesCounted(await ask(opcode, body)).messages
    const move = { queue: 'jobs', exchange: '', routingKey: 'other', count: 5 }
    expect(await count(Opcode.QUEUE_PURGE, encodeQueueDescribe({ queue: 'jobs' }))).toBe(0)
    expect(await count(Opcode.QUEUE_MOVE, encodeQueueMove(move))).toBe(3)
    expect(await count(Opcode.QUEUE_REPLAY, encodeQueueReplay({ queue: 'jobs', since: 7 }))).toBe(4)
    expect(server.messaging.calls).toEqual([
      ['moveMessages', move],
      ['replayQueue', { queue: 'jobs', sinceMs: 7 }],
    ])
  })

  it.each([{ lengthMax: -1 }, { lengthMax: 1.5 }, { isKeyOrdered: 'yes' }, { topic: 7 }, { x: 1 }])(
    'with the settings %j is refused, also when it is altered',
    async (settings) => {
      peer.send(Opcode.QUEUE_DECLARE, encodeQueueDeclare({ queue: 'q', settings }))
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      peer.send(Opcode.QUEUE_ALTER, encodeQueueAlter({ queue: 'q', settings }))
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    },
  )
})
