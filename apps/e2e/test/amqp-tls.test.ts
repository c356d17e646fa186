/** AMQP over TLS with clients of other hands, and what becomes of who mixes up the two ports. */
import { once } from 'node:events'
import { connect as connectPlainly, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type ChannelModel, connect } from 'amqplib'
import { consume } from './support/amqp/amqplib.ts'
import { unique } from './support/amqp/brokers.ts'
import { HealthyAmqp } from './support/amqp/healthy-amqp.ts'
import { runSecurePython, runSecureRuby } from './support/amqp/programs.ts'
import { RawClient } from './support/amqp/raw-client.ts'
import { launchSecured, type SecuredBroker } from './support/amqp/secured.ts'
import { eventually, within } from './support/eventually.ts'
import { metricOf } from './support/metrics.ts'

jest.setTimeout(30_000)

let secured: SecuredBroker
let healthy: HealthyAmqp
let healthyOverTls: HealthyAmqp

const tlsPort = (): number => secured.broker.ports['amqpTls'] as number
const plainPort = (): number => secured.broker.ports['amqp'] as number
const ca = (): Buffer[] => [secured.read('ca.crt')]
const open = (): Promise<ChannelModel> => connect(secured.urlOf('amqpTls'), { ca: ca() })

beforeAll(async () => {
  secured = await launchSecured('amqp-tls')
  healthy = await HealthyAmqp.start(secured.urlOf('amqp'))
  healthyOverTls = await HealthyAmqp.start(secured.urlOf('amqpTls'), { ca: ca() })
})

afterEach(async () => {
  await healthy.goOn()
  await healthyOverTls.goOn()
})

afterAll(async () => {
  await healthy?.finish()
  await healthyOverTls?.finish()
  await secured?.release()
})

/** Whose certificate a new peer is shown. */
const shown = async (): Promise<string> => {
  const socket = connectTls({ port: tlsPort(), host: 'localhost', ca: ca() })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

const show = async (name: string): Promise<void> => {
  secured.showCertificate(name)
  await eventually(`${name} is shown`, async () => (await shown()) === name)
}

const changeCertificate = async (): Promise<void> =>
  show((await shown()) === 'first' ? 'second' : 'first')

const logged = (event: string): number => secured.broker.stdout().split(`"${event}"`).length - 1

describe('amqplib', () => {
  let connection: ChannelModel

  beforeEach(async () => {
    connection = await open()
  })

  afterEach(() => connection.close())

  it('publishes with confirms and consumes', async () => {
    const channel = await connection.createConfirmChannel()
    const { queue } = await channel.assertQueue(unique('tls'), { exclusive: true })
    const bodies = [0, 1, 4_096, 131_065, 1_000_000].map((size) => Buffer.alloc(size, 'abc'))
    for (const body of bodies) channel.sendToQueue(queue, body, { persistent: true })
    await channel.waitForConfirms()
    const inbox = await consume(channel, queue, { noAck: true })
    await inbox.has(bodies.length)
    expect(
      inbox.messages.map(({ content }, index) => content.equals(bodies[index] as Buffer)),
    ).toEqual(bodies.map(() => true))
  })

  it('reads late what it did not read at first, and all of it', async () => {
    const count = 200
    const reader = await open()
    const { stream } = (reader as unknown as { connection: { stream: TLSSocket } }).connection
    const readers = await reader.createChannel()
    const channel = await connection.createConfirmChannel()
    const { queue } = await channel.assertQueue(unique('late'), { autoDelete: true })
    const inbox = await consume(readers, queue, { noAck: true })
    stream.pause()
    const padding = '.'.repeat(100_000)
    for (let index = 0; index < count; index++) {
      channel.sendToQueue(queue, Buffer.from(`${index} ${padding}`))
    }
    await channel.waitForConfirms()
    stream.resume()
    await inbox.has(count)
    const isWhole = (text: string, index: number): boolean => text === `${index} ${padding}`
    expect(inbox.texts().filter((text, index) => !isWhole(text, index))).toEqual([])
    await reader.close()
  })

  it('keeps its connection when the certificate changes, and gets the new one for the next', async () => {
    await show('first')
    const channel = await connection.createConfirmChannel()
    const { queue } = await channel.assertQueue(unique('reload'), { exclusive: true })
    const inbox = await consume(channel, queue, { noAck: true })
    channel.sendToQueue(queue, Buffer.from('before'))
    await show('second')
    channel.sendToQueue(queue, Buffer.from('after'))
    await channel.waitForConfirms()
    expect(await inbox.has(2)).toEqual(['before', 'after'])
    await show('first')
  })
})

it('pika publishes, consumes, and keeps its connection when the certificate changes', () =>
  runSecurePython(secured, 'Tls', { marks: { '@certificate': changeCertificate } }))

it('bunny publishes, consumes, and keeps its connection when the certificate changes', () =>
  runSecureRuby(secured, 'tls', { marks: { '@certificate': changeCertificate } }))

const knownConnections = (): Promise<number> =>
  metricOf(secured.broker.httpPort, 'millrace_connections{protocol="amqp"}')

/** Each of these is sent away, and leaves nothing behind. */
const comeAndGo = async (visit: () => Socket): Promise<void> => {
  const before = await knownConnections()
  const closings = Array.from({ length: 100 }, () => {
    const socket = visit()
    socket.on('error', () => undefined)
    return new Promise((resolve) => socket.once('close', resolve))
  })
  await within('all are sent away', 10_000, Promise.all(closings))
  await eventually('they are forgotten', async () => (await knownConnections()) === before)
  const strangers = 'millrace_unauthenticated_connections'
  expect(await metricOf(secured.broker.httpPort, strangers)).toBe(0)
}

describe('who speaks plainly to the TLS port', () => {
  it('is hung up on, without a word that it would take for AMQP', async () => {
    const before = logged('tls.plain-bytes')
    const peer = await RawClient.open(tlsPort())
    peer.send(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
    await peer.ended()
    expect(peer.received.map(({ name }) => name)).toEqual(['end'])
    const url = secured.urlOf('amqpTls').replace('amqps:', 'amqp:')
    await within('amqplib gives up', 5_000, expect(connect(url)).rejects.toThrow())
    await eventually('both are in the log', () => logged('tls.plain-bytes') === before + 2)
  })

  it('holds nothing of the broker, by the hundred', () =>
    comeAndGo(() => {
      const socket = connectPlainly({ port: tlsPort(), host: '127.0.0.1' })
      socket.write('AMQP\0\0\x09\x01')
      return socket
    }))
})

describe('who speaks TLS to the plain port', () => {
  it('sees that it is none, and the log says what was wrong', async () => {
    const url = secured.urlOf('amqp').replace('amqp:', 'amqps:')
    const before = secured.broker.stdout().length
    await within(
      'amqplib gives up',
      5_000,
      expect(connect(url, { ca: ca() })).rejects.toThrow(/wrong version number/),
    )
    await eventually('it is in the log', () =>
      secured.broker.stdout().slice(before).includes('the peer speaks TLS here'),
    )
  })

  it('holds nothing of the broker, by the hundred', () =>
    comeAndGo(() => connectTls({ port: plainPort(), host: 'localhost', ca: ca() })))
})
