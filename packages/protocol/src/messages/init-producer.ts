/**
 * INIT_PRODUCER: a number for an idempotent producer, given to nobody before. It stamps its batches
 * with it, so that the broker recognises one that it is sent twice.
 *
 * ```
 * INIT_PRODUCER        { }
 * PRODUCER_INITIALIZED { producer: int, epoch: int (0 to 32767) }
 * ```
 */
import { requireInteger } from '../fields.ts'
import { INT16_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export type InitProducer = Readonly<Record<string, never>>

export interface ProducerInitialized {
  readonly producer: number
  readonly epoch: number
}

export const encodeInitProducer = (_request: InitProducer = {}): Uint8Array => encodeControl({})

export const decodeInitProducer = (body: Uint8Array): InitProducer => {
  decodeControl(body)
  return {}
}

export const encodeProducerInitialized = (initialized: ProducerInitialized): Uint8Array =>
  encodeControl(initialized)

export const decodeProducerInitialized = (body: Uint8Array): ProducerInitialized => {
  const map = decodeControl(body)
  return {
    producer: requireInteger(map, 'producer', 0, Number.MAX_SAFE_INTEGER),
    epoch: requireInteger(map, 'epoch', 0, INT16_MAX),
  }
}
