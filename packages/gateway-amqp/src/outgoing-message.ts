/**
 * A message that leaves: what its publisher sent, and what the broker has to say about it. Most leave
 * as they are; only those with a history, from a queue that counts, or from another protocol are
 * written anew.
 */
import { propertyFormats } from '@millrace/codec'
import type { Delivery, Messaging, QueuedMessage } from '@millrace/core'
import type { Field } from './codec/field-table.ts'
import { changeBlock, headersOf } from './codec/property-block.ts'
import { Property, PropertyScan } from './codec/property-scan.ts'
import { deathHeaderNames, deathHeaders } from './dead-letter-headers.ts'
import { DELIVERY_COUNT_HEADER, toPropertyBlock } from './mapping.ts'

const nothingToChange: ReadonlyMap<Property, undefined> = new Map()
const withoutExpiration: ReadonlyMap<Property, undefined> = new Map([
  [Property.EXPIRATION, undefined],
])

/** The property block of a delivery. `countsDeliveries`: of a queue that tells how often it delivered. */
export const outgoingProperties = (
  delivery: Delivery,
  countsDeliveries: boolean,
  messaging: Messaging,
): Uint8Array => {
  const { message } = delivery
  const isAsPublished = message.format === propertyFormats.amqp091
  if (isAsPublished && message.deadLetters === undefined && !countsDeliveries) {
    return message.properties
  }
  const block = isAsPublished ? message.properties : toPropertyBlock(messaging.headersOf(message))
  if (message.deadLetters === undefined && !countsDeliveries) return block
  return withBrokersWord(block, message, countsDeliveries ? delivery.deliveryCount : undefined)
}

const withBrokersWord = (
  block: Uint8Array,
  message: QueuedMessage,
  deliveryCount: number | undefined,
): Uint8Array => {
  const scan = new PropertyScan()
  scan.scan(block)
  const dropHeaders: string[] = []
  const addHeaders: Field[] = []
  const { deadLetters } = message
  if (deadLetters !== undefined) {
    dropHeaders.push(...deathHeaderNames)
    // A dead-letter key took the place of the copies' keys.
    if (message.extraRoutingKeys === undefined) dropHeaders.push('CC')
    addHeaders.push(...deathHeaders(deadLetters, headersOf(scan)))
  }
  if (deliveryCount !== undefined) {
    dropHeaders.push(DELIVERY_COUNT_HEADER)
    addHeaders.push({
      name: DELIVERY_COUNT_HEADER,
      value: { type: 'l', value: BigInt(deliveryCount) },
    })
  }
  // The time to live ended with the first queue, or the message would expire in the next as well.
  const texts = deadLetters !== undefined && message.ttlMs < 0 ? withoutExpiration : nothingToChange
  return changeBlock(scan, { texts, dropHeaders, addHeaders })
}
