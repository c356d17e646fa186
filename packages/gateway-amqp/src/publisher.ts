/**
 * What a channel publishes: from a method and its content to the engine, and back as confirms and
 * returns.
 *
 * Invariants: a return is written before the confirm of its message; confirms are in the order of
 * publication; while the engine takes nothing the connection is not read, so one message at most waits
 * here.
 */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import { type MessagingSession, PUBLISH_BUSY } from '@millrace/core'
import type { AmqpChannel } from './amqp-channel.ts'
import { changeBlock } from './codec/property-block.ts'
import { Property } from './codec/property-scan.ts'
import { ConfirmLedger } from './confirm-ledger.ts'
import { ContentAssembly, type ContentSink } from './content-assembly.ts'
import { isDirectReplyAddress } from './direct-reply.ts'
import { accessRefused, notImplemented, preconditionFailed, ReplyCode } from './errors.ts'
import { COPIED_PAYLOAD_BYTES_MAX } from './limits.ts'
import { Publication } from './publication.ts'
import { PublishedProperties } from './published-properties.ts'
import { exchangeNotFound, inVhost, resourceFault } from './resource-faults.ts'
import { Suspension } from './suspension.ts'

const NOTHING = new Uint8Array(0)
const PUBLISH_CLASS = 60
const PUBLISH_METHOD = 40

export class Publisher implements ContentSink {
  readonly content: ContentAssembly
  readonly #channel: AmqpChannel
  readonly #engine: MessagingSession
  readonly #properties: PublishedProperties
  readonly #publication: Publication
  readonly #confirms: ConfirmLedger
  #isConfirming: boolean
  /** Publications before the peer asked for confirms: tags count from there. */
  #before: number
  #onThrough: (() => void) | undefined
  /** The engine did not take the publication: it waits here. */
  #isWaiting: boolean
  /** The block that was asked to be answered to this channel, and the same with its address. */
  #asked: Uint8Array | undefined
  #addressed: Uint8Array

  constructor(channel: AmqpChannel, engine: MessagingSession) {
    const { session } = channel
    this.content = new ContentAssembly(this, session.settings.messageBytesMax)
    this.#channel = channel
    this.#engine = engine
    this.#properties = new PublishedProperties()
    this.#publication = new Publication()
    this.#confirms = new ConfirmLedger((from, to, isTaken) => this.#tell(from, to, isTaken))
    this.#isConfirming = false
    this.#before = 0
    this.#onThrough = undefined
    this.#isWaiting = false
    this.#asked = undefined
    this.#addressed = NOTHING
  }

  get isConfirming(): boolean {
    return this.#isConfirming
  }

  /** Publications whose confirm was not written yet. */
  get outstanding(): number {
    return this.#confirms.outstanding
  }

  confirm(): void {
    if (this.#isConfirming) return
    this.#isConfirming = true
    this.#before = this.#confirms.total
  }

  /**
   * Resolves when all that was published can be read; `undefined` when it can already. A peer that
   * publishes and then asks for a message, or for how many there are, finds what it published. Nothing
   * is read meanwhile, so there is one that waits.
   */
  through(): Promise<void> | undefined {
    if (this.#confirms.outstanding === 0) return undefined
    return new Promise((resolve) => {
      this.#onThrough = resolve
    })
  }

  /** The method: its content follows. */
  begin(exchange: string, routingKey: string, isMandatory: boolean, isImmediate: boolean): void {
    if (isImmediate) throw notImplemented('immediate=true')
    const publication = this.#publication
    publication.exchange = exchange
    publication.routingKey = routingKey
    publication.isMandatory = isMandatory
    this.content.begin()
  }

  onProperties(bytes: Uint8Array, from: number, to: number): void {
    const properties = this.#properties
    properties.load(bytes, from, to)
    const publication = this.#publication
    publication.properties = properties.stored
    publication.extraRoutingKeys = properties.extraRoutingKeys
    publication.isPersistent = properties.isPersistent
    publication.priority = properties.priority
    publication.ttlMs = properties.ttlMs
    publication.messageId = properties.messageId
  }

  onHeld(bytes: number): void {
    this.#channel.session.noteHeld(bytes)
  }

  onBody(payload: Uint8Array, isOwned: boolean): void {
    const publication = this.#publication
    this.#channel.session.notePublish(payload.length)
    this.#checkUser()
    publication.payload = payload
    if (this.#properties.wantsDirectReply) publication.properties = this.#withAddress()
    if (publication.exchange === '' && isDirectReplyAddress(publication.routingKey)) {
      this.#reply(isOwned)
    } else if (this.#channel.transaction !== undefined) {
      this.#stage(isOwned)
    } else if (!this.#submit(isOwned)) {
      if (!isOwned) publication.payload = payload.slice()
      this.#isWaiting = true
      this.#channel.session.suspend(Suspension.ENGINE)
      return
    }
    publication.payload = NOTHING
  }

  onWritable(): void {
    if (!this.#isWaiting) return
    try {
      if (!this.#submit(true)) return
    } catch (error) {
      this.#channel.fail(error, PUBLISH_CLASS, PUBLISH_METHOD)
    }
    this.#publication.payload = NOTHING
    this.#isWaiting = false
    this.#channel.session.resume(Suspension.ENGINE)
  }

  onConfirms(from: number, to: number, error: BrokerError | undefined): void {
    if (error !== undefined) this.#channel.session.countError(error.code)
    this.#confirms.settled(from, to, error === undefined)
    if (this.#confirms.outstanding === 0) this.#letThrough()
  }

  /** The peer gets a message back that nobody took. The payload is borrowed unless it is owned. */
  giveBack(publication: Publication, isOwned: boolean): void {
    const { exchange, routingKey, properties, payload } = publication
    const { output } = this.#channel.session
    const replyCode = ReplyCode.NO_ROUTE
    const fields = { replyCode, replyText: 'NO_ROUTE', exchange, routingKey }
    output.method(this.#channel.number, 'basic.return', fields)
    const isBorrowed = !isOwned && payload.length > COPIED_PAYLOAD_BYTES_MAX
    output.content(this.#channel.number, properties, isBorrowed ? payload.slice() : payload)
    this.#channel.session.noteAnswer()
  }

  close(): void {
    this.content.reset()
    this.#letThrough()
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#publication.payload = NOTHING
    this.#channel.session.resume(Suspension.ENGINE)
  }

  #tell(from: number, to: number, isTaken: boolean): void {
    if (!this.#isConfirming || to <= this.#before) return
    const { number, session } = this.#channel
    const last = to - this.#before
    const isMultiple = to > Math.max(from, this.#before + 1)
    if (isTaken) session.output.ack(number, last, isMultiple)
    else session.output.nack(number, last, isMultiple)
  }

  #letThrough(): void {
    this.#onThrough?.()
    this.#onThrough = undefined
  }

  #checkUser(): void {
    const { userId } = this.#properties
    const { user } = this.#channel.host
    if (userId === undefined || userId === user) return
    throw preconditionFailed(
      `user_id property set to '${userId}' but authenticated user was '${user}'`,
      'ERR_NOT_AUTHORIZED',
    )
  }

  #withAddress(): Uint8Array {
    const address = this.#channel.replyAddress
    if (address === undefined) throw preconditionFailed('fast reply consumer does not exist')
    const { stored, scan } = this.#properties
    if (this.#asked !== stored) {
      const texts = new Map([[Property.REPLY_TO, address]])
      this.#addressed = changeBlock(scan, { texts, dropHeaders: ['BCC'] })
      this.#asked = stored
    }
    return this.#addressed
  }

  #reply(isOwned: boolean): void {
    const { transaction, session, host } = this.#channel
    if (transaction !== undefined) {
      this.#stage(isOwned)
      return
    }
    const publication = this.#publication
    const { routingKey, properties, payload } = publication
    const { namespace } = host.caller
    const isTaken = session.directReplies.deliver({ namespace, routingKey, properties, payload })
    if (!isTaken && publication.isMandatory) this.giveBack(publication, isOwned)
    if (this.#isConfirming) this.#confirms.settledHere(true)
  }

  /** In a transaction an exchange that is not there is told at once, as it is outside of one. */
  #stage(isOwned: boolean): void {
    const { exchange } = this.#publication
    const { host, transaction } = this.#channel
    if (exchange !== '' && host.findExchange(exchange) === undefined) {
      throw exchangeNotFound(exchange, host.name)
    }
    transaction?.addMessage(this.#publication.keep(isOwned))
  }

  /** False: the engine takes nothing for now. */
  #submit(isOwned: boolean): boolean {
    const publication = this.#publication
    let targets: number
    try {
      // Confirmed or not: what is not is bounded as well, and `through` knows when it is there.
      targets = this.#engine.publish(publication, true)
    } catch (error) {
      this.#refuse(error)
      return true
    }
    if (targets === PUBLISH_BUSY) return false
    this.#confirms.published()
    if (targets === 0 && publication.isMandatory) this.giveBack(publication, isOwned)
    return true
  }

  /** What may go well later is refused by a nack, where there are confirms; the rest ends the channel. */
  #refuse(error: unknown): void {
    if (!isBrokerError(error)) throw error
    const { session } = this.#channel
    if (error.scope === 'request' && error.retriable && this.#isConfirming) {
      session.countError(error.code)
      this.#confirms.settledHere(false)
      return
    }
    // Without confirms a queue that is full drops what it does not take.
    if (error.code === 'ERR_MESSAGE_REFUSED') return
    throw this.#faultOf(error)
  }

  #faultOf(error: BrokerError): Error {
    const { host } = this.#channel
    const { exchange } = this.#publication
    const vhost = host.name
    if (error.code === 'ERR_EXCHANGE_NOT_FOUND') return exchangeNotFound(exchange, vhost)
    if (error.code === 'ERR_NOT_AUTHORIZED' && host.isInternal(exchange)) {
      return accessRefused(`cannot publish to internal ${inVhost('exchange', exchange, vhost)}`)
    }
    return resourceFault(error, { ...host.names, exchange })
  }
}
