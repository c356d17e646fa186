/** Holds every answer of a read against the rules, whoever has asked. */
import { type Durability, type ReadResult } from '@millrace/core'
import { isBrokerError, type ErrorCode } from '@millrace/codec'
import type { Simulation } from './simulation.ts'
import { type FoundBatch, findBatch, joinParts } from './payload.ts'

export interface ReadContext {
  readonly log: string
  readonly durability: Durability
  /** The offset that was asked for. */
  readonly offset: number
  /** Damage was done to this log, so that gaps and errors are allowed. */
  readonly isDamaged: boolean
  /** The bytes were read a while after the answer: others have seen more since, or less. */
  readonly isLate?: boolean
}

/** The batches of an answer without an error, checked one by one and against each other. */
export const checkRead = (
  simulation: Simulation,
  context: ReadContext,
  result: ReadResult,
): FoundBatch[] => {
  const { log, offset } = context
  const batches = result.lease === undefined ? [] : splitBatches(simulation, log, result)
  const { highWatermark } = result
  if (!context.isDamaged) checkContiguous(simulation, context, batches)
  for (const batch of batches) {
    // A damaged header is nobody's batch: the CRC begins behind it.
    observe(simulation, context, batch, highWatermark)
  }
  const last = batches[batches.length - 1]
  if (last !== undefined && (result.nextOffset < last.nextOffset || result.nextOffset <= offset)) {
    simulation.violate(
      'I6',
      `${log}: a read from ${offset} to ${last.nextOffset} says it goes on at ${result.nextOffset}`,
    )
  }
  if (context.isLate !== true)
    simulation.history.seeHighWatermark(log, highWatermark, context.durability)
  return batches
}

const observe = (
  simulation: Simulation,
  { log, isLate = false }: ReadContext,
  batch: FoundBatch,
  highWatermark: number,
): void => {
  try {
    simulation.history.observe(log, batch, highWatermark)
  } catch (error) {
    // What was removed while a peer was sent it does not come back.
    const isRemoval = (error as { invariant?: unknown }).invariant === 'RET'
    if (!isLate || !isRemoval) throw error
  }
}

const splitBatches = (simulation: Simulation, log: string, result: ReadResult): FoundBatch[] => {
  const lease = result.lease as NonNullable<ReadResult['lease']>
  const bytes = joinParts(lease.parts)
  if (bytes.length !== lease.byteLength) {
    simulation.violate('I2', `${log}: a lease of ${lease.byteLength} bytes holds ${bytes.length}`)
  }
  const batches: FoundBatch[] = []
  for (let at = 0; at < bytes.length;) {
    const batch = findBatch(bytes, at)
    if (typeof batch === 'string') {
      return simulation.violate(
        'I2',
        `${log}: a read delivered ${batch} after offset ${batches.at(-1)?.nextOffset ?? '(none)'}`,
      )
    }
    batches.push(batch)
    at += batch.bytes.length
  }
  return batches
}

const checkContiguous = (
  simulation: Simulation,
  { log, offset }: ReadContext,
  batches: readonly FoundBatch[],
): void => {
  let next = offset
  for (const [index, batch] of batches.entries()) {
    const isInPlace = index === 0 ? batch.baseOffset <= next : batch.baseOffset === next
    if (!isInPlace || batch.nextOffset <= next) {
      simulation.violate(
        'I6',
        `${log}: a read from ${offset} has ${batch.baseOffset} to ${batch.nextOffset} where ${next} was due`,
      )
    }
    next = batch.nextOffset
  }
}

export const codeOf = (error: unknown): ErrorCode | undefined =>
  isBrokerError(error) ? error.code : undefined
