/**
 * A message on its way into the engine. A channel has one that serves for all it publishes; in a
 * transaction each message is one of its own, with bytes of its own.
 */
import { propertyFormats, type RecordHeader, reservedHeaders, utf8Encode } from '@millrace/codec'
import type { MessageSource } from '@millrace/core'
import { PropertyScan } from './codec/property-scan.ts'
import { losesTypes, neutralHeadersOf, toMatchHeaders } from './mapping.ts'

const NOTHING = new Uint8Array(0)
const NO_PROPERTIES = new Uint8Array(2)

export class Publication implements MessageSource {
  exchange = ''
  routingKey = ''
  extraRoutingKeys: readonly string[] | undefined = undefined
  payload: Uint8Array = NOTHING
  readonly format: number = propertyFormats.amqp091
  properties: Uint8Array = NO_PROPERTIES
  isPersistent = false
  priority = 0
  ttlMs = -1
  messageId: string | undefined = undefined
  readonly key: Uint8Array | undefined = undefined
  /** The publisher wants it back when nobody takes it. */
  isMandatory = false
  /** What was matched last, and its headers: most blocks are like the one before. */
  #matched: Uint8Array | undefined = undefined
  #headers: ReadonlyMap<string, string> = new Map()

  /** The same message, with bytes that nobody else has. `isOwned`: the payload already is. */
  keep(isOwned: boolean): Publication {
    const kept = new Publication()
    kept.exchange = this.exchange
    kept.routingKey = this.routingKey
    kept.extraRoutingKeys = this.extraRoutingKeys
    kept.payload = isOwned ? this.payload : this.payload.slice()
    kept.properties = this.properties
    kept.isPersistent = this.isPersistent
    kept.priority = this.priority
    kept.ttlMs = this.ttlMs
    kept.messageId = this.messageId
    kept.isMandatory = this.isMandatory
    return kept
  }

  matchHeaders(): ReadonlyMap<string, string> {
    if (this.#matched !== this.properties) {
      this.#headers = toMatchHeaders(this.properties)
      this.#matched = this.properties
    }
    return this.#headers
  }

  /** With where it was published to, and with the block itself when headers alone would lose types. */
  neutralHeaders(): readonly RecordHeader[] {
    const scan = this.#scan()
    const headers = neutralHeadersOf(scan)
    headers.push({ key: reservedHeaders.exchange.name, value: utf8Encode(this.exchange) })
    headers.push({ key: reservedHeaders.routingKey.name, value: utf8Encode(this.routingKey) })
    if (losesTypes(scan)) {
      headers.push({ key: reservedHeaders.propertyBlock.name, value: this.properties })
    }
    return headers
  }

  #scan(): PropertyScan {
    const scan = new PropertyScan()
    scan.scan(this.properties)
    return scan
  }
}
