/** PUBLISH and its answers, over the wire. */
import { BrokerError, encodeHeaderBlock, utf8Decode, utf8Encode } from '@millrace/codec'
import { encodePublish, Opcode, PUBLISH_COUNT_MAX, PUBLISH_HEAD_BYTES } from '@millrace/protocol'
import { RawPeer } from '../../support/raw-peer.ts'
import {
  messageOf,
  type MessagingServer,
  publish,
  startMessagingServer,
  takePublished,
} from './support.ts'

let server: MessagingServer
let peer: RawPeer

beforeEach(async () => {
  server = await startMessagingServer()
  server.messaging.addQueue('jobs')
  peer = await RawPeer.open(server.fake.port)
})

afterEach(async () => {
  peer.close()
  await server.fake.stop()
})

const publishedTexts = (): string[] =>
  server.messaging.session.published.map(({ payload }) => utf8Decode(payload))

/** A session that exists, so that a test can hold what it does. */
const openSession = async (): Promise<void> => {
  publish(peer, [messageOf('first')])
  await takePublished(peer)
}

it('hands every part of a message to the engine', async () => {
  const headers = [
    { key: 'kind', value: utf8Encode('pdf') },
    { key: 'kind', value: utf8Encode('second') },
    { key: 'urgent', value: null },
  ]
  const message = messageOf('hello', {
    messageId: 'm-1',
    key: utf8Encode('k'),
    priority: 5,
    ttlMs: 60_000,
    headers: encodeHeaderBlock(headers),
  })
  publish(peer, [message])
  expect(await takePublished(peer)).toMatchObject({ outcomes: [[1, 0]], text: '' })
  const { session } = server.messaging
  expect(session.published[0]).toMatchObject({
    exchange: '',
    routingKey: 'jobs',
    format: 0,
    messageId: 'm-1',
    priority: 5,
    ttlMs: 60_000,
    isPersistent: true,
    extraRoutingKeys: undefined,
  })
  expect(session.published[0]?.properties).toEqual(encodeHeaderBlock(headers))
  expect(session.matched[0]).toEqual(
    new Map([
      ['kind', 'spdf'],
      ['urgent', 'v'],
    ]),
  )
})

it('tells of each message how many targets it reached, and what was wrong with it', async () => {
  const correlation = publish(peer, [
    messageOf('a'),
    messageOf('b', { exchange: 'nowhere' }),
    messageOf('c', { routingKey: 'nobody' }),
    messageOf('d', { exchange: 'nowhere else' }),
    messageOf('e'),
  ])
  expect(await takePublished(peer)).toEqual({
    correlation,
    outcomes: [
      [1, 0],
      [0, 0x11d],
      [0, 0],
      [0, 0x11d],
      [1, 0],
    ],
    text: "exchange 'nowhere' does not exist",
  })
  expect(publishedTexts()).toEqual(['a', 'c', 'e'])
})

it('gives an error that comes with the confirms to the messages it is about', async () => {
  await openSession()
  const { session } = server.messaging
  session.holdsConfirms = true
  publish(peer, [
    messageOf('a'),
    messageOf('b', { exchange: 'nowhere' }),
    messageOf('c'),
    messageOf('d'),
  ])
  await peer.ping()
  session.confirm(1)
  session.confirm(1, new BrokerError('ERR_MESSAGE_REFUSED', ['jobs']))
  session.confirm(1)
  const { outcomes, text } = await takePublished(peer)
  expect(outcomes).toEqual([
    [1, 0],
    [0, 0x11d],
    [1, 0x122],
    [1, 0],
  ])
  expect(text).toBe("exchange 'nowhere' does not exist")
})

it('answers in the order of the requests, whatever was refused at once', async () => {
  await openSession()
  const { session } = server.messaging
  session.holdsConfirms = true
  const first = publish(peer, [messageOf('a'), messageOf('b')])
  const second = publish(peer, [messageOf('c', { exchange: 'nowhere' })])
  const third = peer.send(Opcode.PUBLISH, new Uint8Array(PUBLISH_HEAD_BYTES))
  const fourth = publish(peer, [messageOf('d')])
  await peer.ping()
  session.confirm(1)
  await peer.ping()
  expect(peer.frames).toEqual([])
  session.confirm(2)
  expect(await takePublished(peer)).toMatchObject({ correlation: first })
  expect(await takePublished(peer)).toMatchObject({ correlation: second })
  expect(await peer.takeError()).toMatchObject({ correlation: third, code: 'ERR_MALFORMED_BODY' })
  expect(await takePublished(peer)).toMatchObject({ correlation: fourth })
})

it('goes on where the engine was busy, and reads nothing meanwhile', async () => {
  await openSession()
  const { session } = server.messaging
  session.room = 2
  const correlation = publish(peer, [messageOf('a'), messageOf('b'), messageOf('c')])
  publish(peer, [messageOf('d')])
  peer.send(Opcode.PING)
  const isWaiting = async (): Promise<boolean> => {
    // A turn of the loop for what is on its way.
    await new Promise<void>((resolve) => setImmediate(resolve))
    return session.published.length === 3
  }
  while (!(await isWaiting()));
  expect(peer.frames).toEqual([])
  session.makeRoom(Infinity)
  await peer.take(Opcode.PONG)
  expect(publishedTexts()).toEqual(['first', 'a', 'b', 'c', 'd'])
  expect(await takePublished(peer)).toMatchObject({
    correlation,
    outcomes: [
      [1, 0],
      [1, 0],
      [1, 0],
    ],
  })
})

it('says nothing to who asked for no answer, and counts no confirm for it', async () => {
  await openSession()
  const { session } = server.messaging
  session.holdsConfirms = true
  const silent = encodePublish({
    isSilent: true,
    messages: [messageOf('a'), messageOf('b', { exchange: 'nowhere' })],
  })
  peer.send(Opcode.PUBLISH, silent, 0)
  peer.send(Opcode.PUBLISH, Uint8Array.of(1, 0, 0, 0, 9), 0)
  await peer.ping()
  expect(peer.frames).toEqual([])
  expect(publishedTexts()).toEqual(['first', 'a'])
  publish(peer, [messageOf('c')])
  await peer.ping()
  session.confirm(1)
  expect(await takePublished(peer)).toMatchObject({ outcomes: [[1, 0]] })
})

describe('what cannot be published', () => {
  it.each([
    ['text that is not UTF-8', 'ERR_MALFORMED_BODY', 0x0009, { messageId: 'é' }],
    ['a time to live below none', 'ERR_INVALID_ARGUMENT', 0x0104, { ttlMs: -2 }],
    ['a header block cut short', 'ERR_MALFORMED_BODY', 0x0009, { headers: Uint8Array.of(2) }],
  ] as const)('%s is the outcome of its message alone', async (_name, _code, wire, more) => {
    const body = encodePublish({
      isSilent: false,
      messages: [messageOf('a', more), messageOf('b')],
    })
    // "é" without its second byte is no UTF-8.
    const broken = body.indexOf(0xc3)
    if (broken >= 0) body[broken + 1] = 0x41
    peer.send(Opcode.PUBLISH, body)
    const { outcomes, text } = await takePublished(peer)
    expect(outcomes).toEqual([
      [0, wire],
      [1, 0],
    ])
    expect(text).not.toBe('')
  })

  it('more messages than the limit are refused as a whole', async () => {
    const messages = Array.from({ length: PUBLISH_COUNT_MAX }, () => messageOf(''))
    publish(peer, messages)
    expect((await takePublished(peer)).outcomes).toHaveLength(PUBLISH_COUNT_MAX)
    publish(peer, [...messages, messageOf('')])
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' })
    expect(server.messaging.session.published).toHaveLength(PUBLISH_COUNT_MAX)
  })

  it('a message that is cut short is refused with all before it', async () => {
    const body = encodePublish({ isSilent: false, messages: [messageOf('a'), messageOf('b')] })
    const correlation = peer.send(Opcode.PUBLISH, body.subarray(0, -1))
    expect(await peer.takeError()).toMatchObject({ correlation, code: 'ERR_MALFORMED_BODY' })
    expect(server.messaging.sessions).toEqual([])
  })
})

it('is finished before a connection that says CLOSE is closed', async () => {
  await openSession()
  const { session } = server.messaging
  session.holdsConfirms = true
  publish(peer, [messageOf('a')])
  peer.send(Opcode.CLOSE)
  const isClosing = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  while (session.published.length < 2) await isClosing()
  await isClosing()
  expect(peer.frames).toEqual([])
  session.confirm()
  await takePublished(peer)
  await peer.take(Opcode.CLOSED)
})
