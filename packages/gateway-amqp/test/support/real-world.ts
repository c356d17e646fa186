/** The gateway over the real engine, in a directory of its own. */
import { propertyFormats } from '@millrace/codec'
import {
  type Broker,
  createNodeEnvironment,
  type EngineLog,
  openBroker,
  type Services,
} from '@millrace/core'
import { temporaryDirectory } from '@millrace/testing'
import { PROTOCOL_HEADER } from '../../src/codec/frame.ts'
import { AmqpGateway, amqpPropertyFormat } from '../../src/index.ts'
import { AmqpPeer, type Seen } from './amqp-peer.ts'
import { anonymousOnly } from './amqp-world.ts'

const WITHIN_MS = 10_000

const limits: Services['limits'] = {
  connectionsMax: 100,
  handshakeMsMax: 10_000,
  frameBytesMax: 1 << 20,
  bodyBytesMax: 32 << 20,
  inFlightCountMax: 1_024,
  inFlightBytesMax: 64 << 20,
  outboundBytesMax: 64 << 20,
  subscriptionsMax: 100,
}

export interface RealWorld {
  readonly broker: Broker
  connect(): AmqpPeer
  /** Logged in, with channel 1. */
  connectOpen(): Promise<AmqpPeer>
  /** Closes the engine and opens it again on the same data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const open = (directory: string): Promise<Broker> => {
  const log: EngineLog = { info: () => undefined, warn: () => undefined, error: () => undefined }
  return openBroker(
    {
      directory,
      autoCreateTopics: false,
      poisonFreedBuffers: true,
      propertyFormats: new Map([[propertyFormats.amqp091, amqpPropertyFormat]]),
      onFatal: (error) => {
        throw error
      },
    },
    createNodeEnvironment({ log }),
  )
}

export const openRealWorld = async (): Promise<RealWorld> => {
  const directory = await temporaryDirectory()
  let broker = await open(directory.path)
  const gateway = new AmqpGateway({
    product: 'RabbitMQ',
    version: '3.13.7',
    heartbeatSeconds: 0,
    frameBytesMax: 131_072,
    channelsMax: 2_047,
    messageBytesMax: 16 << 20,
  })
  const log: EngineLog = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const services = (): Services => ({
    codecs: [],
    broker,
    authenticator: anonymousOnly,
    authorizer: { check: () => true },
    environment: createNodeEnvironment({ log }),
    limits,
  })
  const connect = (): AmqpPeer =>
    new AmqpPeer((connection) => gateway.accept(connection, services()), oneTurn)
  return {
    get broker() {
      return broker
    },
    connect,
    connectOpen: async () => {
      const peer = connect()
      await openChannel(peer)
      return peer
    },
    restart: async () => {
      await broker.close()
      broker = await open(directory.path)
    },
    stop: async () => {
      await broker.close()
      await directory.remove()
    },
  }
}

const openChannel = async (peer: AmqpPeer): Promise<void> => {
  peer.sendBytes(PROTOCOL_HEADER)
  await takeUntil(peer, 1)
  peer.send(0, 'connection.start-ok', {
    mechanism: 'PLAIN',
    response: Buffer.from('\u0000guest\u0000guest'),
  })
  await takeUntil(peer, 1)
  peer.send(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat: 0 })
  peer.send(0, 'connection.open', { virtualHost: '/' })
  await takeUntil(peer, 1)
  peer.send(1, 'channel.open')
  await takeUntil(peer, 1)
}

const oneTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Answers as they come, until there are so many: the disk takes its time. */
export const takeUntil = async (peer: AmqpPeer, count: number): Promise<readonly Seen[]> => {
  const seen: Seen[] = []
  const deadline = performance.now() + WITHIN_MS
  while (seen.length < count) {
    if (performance.now() > deadline) throw new Error(`only ${JSON.stringify(seen)}`)
    seen.push(...(await peer.take()))
  }
  return seen
}
