/** Exchanges and queues of a broker in a simulated world, met through the façade. */
import { encodeHeaderBlock, propertyFormats, utf8Decode, utf8Encode } from '@millrace/codec'
import type {
  Consumer,
  ConsumeRequest,
  Delivery,
  Messaging,
  MessageSource,
  MessagingSession,
  QueueSettings,
} from '../../src/engine/messaging.ts'
import type { BrokerError } from '@millrace/codec'
import { caller, openNode, type TestNode } from './node.ts'

export type World = TestNode['world']

export const message = (
  payload: string,
  changed: Partial<Omit<MessageSource, 'payload'>> = {},
): MessageSource => ({
  exchange: '',
  routingKey: 'q',
  extraRoutingKeys: undefined,
  payload: utf8Encode(payload),
  format: propertyFormats.headers,
  properties: encodeHeaderBlock([]),
  isPersistent: true,
  priority: 0,
  ttlMs: -1,
  messageId: undefined,
  key: undefined,
  matchHeaders: () => new Map(),
  neutralHeaders: () => [],
  ...changed,
})

export const textOf = ({ payload }: { readonly payload: Uint8Array }): string => utf8Decode(payload)

export interface Confirm {
  readonly from: number
  readonly to: number
  readonly code: string | undefined
}

/** A session, what it was told, and what its consumers got. */
export class Peer {
  readonly session: MessagingSession
  readonly confirms: Confirm[] = []
  readonly received: Delivery[] = []
  readonly texts: string[] = []
  readonly ended: string[] = []
  writableCount = 0

  constructor(messaging: Messaging, options: { inFlightCountMax?: number } = {}) {
    this.session = messaging.openSession({
      ...caller,
      inFlightCountMax: options.inFlightCountMax ?? 10_000,
      inFlightBytesMax: 64 * 1_048_576,
      onConfirms: (from, to, error: BrokerError | undefined) =>
        this.confirms.push({ from, to, code: error?.code }),
      onWritable: () => this.writableCount++,
    })
  }

  consume(queue = 'q', changed: Partial<ConsumeRequest> = {}): Consumer {
    return this.session.consume(
      {
        queue,
        owner: undefined,
        isAutoSettled: false,
        isExclusive: false,
        priority: 0,
        inFlightCountMax: 0,
        pool: undefined,
        ...changed,
      },
      {
        deliver: (delivery) => {
          this.received.push(delivery)
          this.texts.push(textOf(delivery.message))
        },
        end: (error) => this.ended.push(error.code),
      },
    )
  }

  get(queue = 'q', isAutoSettled = false): ReturnType<MessagingSession['get']> {
    return this.session.get({ queue, owner: undefined, isAutoSettled })
  }
}

export class MessagingNode {
  readonly node: TestNode

  constructor(node: TestNode) {
    this.node = node
  }

  static async open(world: World): Promise<MessagingNode> {
    return new MessagingNode(await openNode(world))
  }

  get messaging(): Messaging {
    return this.node.broker.messaging
  }

  peer(options?: { inFlightCountMax?: number }): Peer {
    return new Peer(this.messaging, options)
  }

  /** Drives the world until the call is answered. */
  async declare(queue = 'q', settings: Partial<QueueSettings> = {}): Promise<void> {
    await this.run(this.messaging.declareQueue(caller, { queue, settings }))
  }

  async run<T>(call: Promise<T>): Promise<T> {
    let isDone = false
    const marked = call.finally(() => (isDone = true))
    marked.catch(() => undefined)
    for (let step = 0; step < 1_000 && !isDone; step++) await this.node.world.scheduler.runFor(1)
    return marked
  }

  async pass(ms = 20): Promise<void> {
    await this.node.world.scheduler.runFor(ms)
  }

  ready(queue = 'q'): number {
    return this.messaging.describeQueue(caller, queue).readyCount
  }
}
