/** Connections and channels: opened, closed, negotiated; and frames as no client should send them. */
import type { Conversation, Step } from '../conversation.ts'
import { PROTOCOL_HEADER } from '../raw-client.ts'
import {
  encodeFrame,
  encodeHeader,
  encodeMessage,
  encodeMethod,
  type Fields,
  FrameType,
} from '../wire.ts'
import * as $ from './steps.ts'

const { METHOD, HEADER, BODY, HEARTBEAT } = FrameType

const hello = $.bytes(PROTOCOL_HEADER)
const capabilities = { authentication_failure_close: true }
const startOk = (changes: Fields = {}): Step =>
  $.on(
    0,
    $.method('connection.start-ok', {
      clientProperties: { capabilities },
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: 'en_US',
      ...changes,
    }),
  )
const tuneOk = (changes: Fields = {}): Step =>
  $.on(
    0,
    $.method('connection.tune-ok', {
      channelMax: 2047,
      frameMax: 131_072,
      heartbeat: 0,
      ...changes,
    }),
  )
const open = (virtualHost = '/'): Step => $.on(0, $.method('connection.open', { virtualHost }))
const closeConnection = $.on(0, $.method('connection.close', { replyCode: 200, replyText: 'bye' }))

/** A busy RabbitMQ hangs up no sooner. */
const END_WITHIN_MS = 500

const handshakes: readonly Conversation[] = [
  $.bareTalk(
    'handshake: as it should be',
    hello,
    startOk(),
    tuneOk(),
    open(),
    $.openChannel(1),
    closeConnection,
  ),
  ...[
    '414d515000000901',
    '414d515000010000',
    '414d5150000008ff',
    '474554202f204854',
    '4d51545400000000',
  ].map((hex) =>
    $.bareTalk(
      `handshake: the protocol ${hex}`,
      $.bytes(Buffer.from(hex, 'hex')),
      $.pause(END_WITHIN_MS),
    ),
  ),
  $.bareTalk(
    'handshake: AMQPLAIN',
    hello,
    startOk({ mechanism: 'AMQPLAIN', response: encodeLogin('guest', 'guest') }),
    tuneOk(),
    open(),
  ),
  $.bareTalk(
    'handshake: an unknown mechanism',
    hello,
    startOk({ mechanism: 'MAGIC' }),
    $.pause(1_500),
  ),
  $.bareTalk('handshake: a wrong password', hello, startOk({ response: '\0guest\0wrong' })),
  $.bareTalk('handshake: an unknown user', hello, startOk({ response: '\0nobody\0guest' })),
  $.bareTalk(
    'handshake: a wrong password, and no word of it',
    hello,
    startOk({ clientProperties: {}, response: '\0guest\0wrong' }),
    $.pause(1_500),
  ),
  $.bareTalk(
    'handshake: a response that is none',
    hello,
    startOk({ response: 'guest' }),
    $.pause(1_500),
  ),
  $.bareTalk(
    'handshake: no virtual host of that name',
    hello,
    startOk(),
    tuneOk(),
    open('nowhere'),
  ),
  $.bareTalk(
    'handshake: a larger frame than offered',
    hello,
    startOk(),
    tuneOk({ frameMax: 200_000 }),
    open(),
  ),
  $.bareTalk('handshake: a frame too small', hello, startOk(), tuneOk({ frameMax: 4095 }), open()),
  $.bareTalk(
    'handshake: more channels than offered',
    hello,
    startOk(),
    tuneOk({ channelMax: 5000 }),
    open(),
  ),
  $.bareTalk('handshake: any frame', hello, startOk(), tuneOk({ frameMax: 0 }), open()),
  $.bareTalk(
    'handshake: a channel beyond the agreed',
    hello,
    startOk(),
    tuneOk({ channelMax: 5 }),
    open(),
    $.openChannel(5),
    $.openChannel(6),
  ),
  $.bareTalk('handshake: open before tune-ok', hello, startOk(), open()),
  $.bareTalk('handshake: tune-ok before start-ok', hello, tuneOk(), $.pause(END_WITHIN_MS)),
  $.bareTalk('handshake: a channel before open', hello, startOk(), tuneOk(), {
    ...$.method('channel.open'),
    kind: 'method',
  }),
]

const channels: readonly Conversation[] = [
  $.talk('channel: closed and opened', $.closeChannel(), $.openChannel(1), $.queue()),
  $.talk('channel: opened twice', $.openChannel(1)),
  $.talk('channel: used before it is open', $.on(9, $.queue())),
  $.talk('channel: used after it is closed', $.closeChannel(), $.queue()),
  $.talk('channel: closed twice', $.closeChannel(), $.closeChannel()),
  $.talk('channel: closed, and not open', $.closeChannel(7)),
  $.talk('channel: beyond the most', $.openChannel(2048)),
  $.talk('channel: the last of all', $.openChannel(2047), $.on(2047, $.queue())),
  $.talk(
    'channel: used while it is being closed',
    $.rude,
    $.get('nowhere'),
    $.queue(),
    $.send('x'),
    $.method('channel.close-ok'),
    $.openChannel(1),
    $.count(),
  ),
  $.talk('channel: an answer that nobody waits for', $.method('channel.close-ok')),
  $.talk('channel: others live on', $.openChannel(2), $.get('nowhere'), $.on(2, $.queue())),
  $.talk('channel: methods of connections', $.method('connection.close', { replyCode: 200 })),
  $.talk('connection: closed', $.queue(), $.send('x'), closeConnection),
  $.talk('connection: methods of channels', $.on(0, $.queue())),
  $.talk('connection: opened again', open()),
  $.talk('connection: started again', startOk()),
  $.talk('connection: an answer that nobody waits for', $.on(0, $.method('connection.close-ok'))),
  $.talk(
    'connection: a new secret',
    $.on(0, $.method('connection.update-secret', { newSecret: 'guest', reason: 'time' })),
    $.queue(),
  ),
  $.talk(
    'connection: used while it is being closed',
    $.rude,
    $.on(0, $.queue()),
    $.queue(),
    $.on(0, $.method('connection.close-ok')),
  ),
]

const only = [
  'connection.start',
  'connection.tune',
  'connection.open-ok',
  'connection.secure',
  'connection.blocked',
  'connection.unblocked',
  'connection.update-secret-ok',
]
const onlyOnChannels = [
  'channel.open-ok',
  'channel.flow-ok',
  'exchange.declare-ok',
  'queue.declare-ok',
  'basic.qos-ok',
  'basic.consume-ok',
  'basic.get-empty',
  'basic.cancel-ok',
  'confirm.select-ok',
  'tx.select-ok',
]
const onlyWithContent = ['basic.deliver', 'basic.return', 'basic.get-ok']

const directions: readonly Conversation[] = [
  ...only.map((name) => $.talk(`direction: ${name}`, $.on(0, $.method(name)))),
  ...onlyOnChannels.map((name) => $.talk(`direction: ${name}`, $.method(name))),
  ...onlyWithContent.map((name) =>
    $.talk(`direction: ${name}`, $.method(name, {}, { body: Buffer.from('x') })),
  ),
]

const publication = encodeMethod('basic.publish', { exchange: 'amq.fanout', routingKey: 'k' })
const published = encodeFrame(METHOD, 1, publication)
const header = (size: number, properties: Fields = {}): Buffer =>
  encodeFrame(HEADER, 1, encodeHeader(size, properties))
const body = (length: number): Buffer => encodeFrame(BODY, 1, Buffer.alloc(length, 'x'))
const declaration = encodeMethod('queue.declare', { queue: 'framed', exclusive: true })

const frame = (name: string, ...parts: readonly Buffer[]): Conversation =>
  $.talk(`frame: ${name}`, $.bytes(Buffer.concat(parts)), $.queue('~after'))

const frames: readonly Conversation[] = [
  frame('a heartbeat', encodeFrame(HEARTBEAT, 0, Buffer.alloc(0))),
  frame('a heartbeat on a channel', encodeFrame(HEARTBEAT, 1, Buffer.alloc(0))),
  frame('a heartbeat with a payload', encodeFrame(HEARTBEAT, 0, Buffer.from('x'))),
  frame('an unknown type', encodeFrame(4, 1, Buffer.from('x'))),
  frame('type 0', encodeFrame(0, 0, Buffer.alloc(0))),
  frame('a wrong end', encodeFrame(METHOD, 1, declaration, { end: 0 })),
  frame('larger than agreed', encodeFrame(BODY, 1, Buffer.alloc(131_073))),
  frame('two gigabytes announced', encodeFrame(METHOD, 1, declaration, { size: 0x7fffffff })),
  frame('an unknown class', encodeFrame(METHOD, 1, Buffer.from('00ff000a', 'hex'))),
  frame('an unknown method', encodeFrame(METHOD, 1, Buffer.from('003200ff', 'hex'))),
  frame(
    'an unknown method of a connection',
    encodeFrame(METHOD, 0, Buffer.from('000a00ff', 'hex')),
  ),
  frame('half a method number', encodeFrame(METHOD, 1, Buffer.from('0032', 'hex'))),
  frame('no method at all', encodeFrame(METHOD, 1, Buffer.alloc(0))),
  frame('a method cut short', encodeFrame(METHOD, 1, declaration.subarray(0, 9))),
  frame('a table cut short', encodeFrame(METHOD, 1, declaration.subarray(0, -2))),
  frame(
    'bytes after a method',
    encodeFrame(METHOD, 1, Buffer.concat([declaration, Buffer.alloc(4)])),
  ),
  frame('a header without a method', header(3)),
  frame('a body without a method', body(3)),
  frame('a body without a header', published, body(3)),
  frame('a header after a header', published, header(6), header(6)),
  frame('a method instead of a header', published, encodeFrame(METHOD, 1, declaration)),
  frame('a method instead of a body', published, header(6), encodeFrame(METHOD, 1, declaration)),
  frame('a body that is too long', published, header(3), body(4)),
  frame('a body in small pieces', published, header(6), body(1), body(2), body(3)),
  frame('an empty body frame', published, header(3), body(0), body(3)),
  frame('a header of another class', published, encodeFrame(HEADER, 1, encodeHeader(0, {}, 50))),
  frame('a header cut short', published, encodeFrame(HEADER, 1, encodeHeader(0).subarray(0, 9))),
  frame(
    'a header with a property cut short',
    published,
    encodeFrame(HEADER, 1, encodeHeader(0, { contentType: 'text/plain' }).subarray(0, 18)),
  ),
  frame(
    'a header of 2^64 - 1 bytes',
    published,
    encodeFrame(HEADER, 1, encodeHeader(2n ** 64n - 1n)),
  ),
  frame(
    'a table with an unknown type',
    encodeFrame(
      METHOD,
      1,
      encodeMethod('queue.declare', {
        queue: 'framed',
        exclusive: true,
        arguments: { odd: { as: 'Z', value: Buffer.from('x') } },
      }),
    ),
  ),
  frame(
    'a table longer than its frame',
    encodeFrame(
      METHOD,
      1,
      encodeMethod('queue.declare', {
        queue: 'framed',
        exclusive: true,
        arguments: Buffer.from('0161', 'hex'),
      }),
    ),
  ),
  frame(
    'content on two channels at a time',
    encodeMessage(2, 'channel.open', {}),
    published,
    encodeMessage(
      2,
      'basic.publish',
      { exchange: 'amq.fanout', routingKey: 'k' },
      { body: Buffer.from('abc') },
    ),
    header(3),
    body(3),
  ),
  $.talk(
    'frame: split at every byte',
    [...encodeFrame(METHOD, 1, encodeMethod('basic.qos', { prefetchCount: 1 }))].map((octet) =>
      $.bytes(Buffer.of(octet)),
    ),
  ),
]

function encodeLogin(login: string, password: string): Buffer {
  // A table without its length.
  return encodeMethod('basic.consume', {
    arguments: { LOGIN: login, PASSWORD: password },
  }).subarray(13)
}

export const sessions: readonly Conversation[] = [
  ...handshakes,
  ...channels,
  ...directions,
  ...frames,
]
