/**
 * What goes into the journal, and the building of one group from it. Pure but for its reused buffer.
 */
import { batchCrc } from '@millrace/codec'
import {
  ENTRY_BYTES,
  EntryKind,
  GROUP_HEADER_BYTES,
  PAYLOAD_SKIPPED_BYTES,
  groupBytes,
  sealGroup,
  writeEntry,
  type JournalEntryFields,
} from './journal-format.ts'
import type { StoredBatch } from './stored-batch.ts'

/** Anything that is not a batch: a creation, a tombstone, a ceiling, a checkpoint. */
export interface ControlItem {
  readonly kind: 'control'
  readonly entry: JournalEntryFields
  readonly payload: Uint8Array | undefined
  isRefused: boolean
  durable(): void
  refused(error: unknown): void
}

export type JournalItem = StoredBatch | ControlItem

export const controlEntry = (
  kind: EntryKind,
  fields: Partial<JournalEntryFields>,
): JournalEntryFields => ({
  kind,
  flags: 0,
  crc: 0,
  logId: 0,
  baseOffset: 0,
  nextOffset: 0,
  segmentBase: 0,
  position: 0,
  length: 0,
  epoch: 0,
  payloadAt: 0,
  ...fields,
})

/** Journal bytes of an item beside its entry, when it is not written directly. */
export const payloadBytesOf = (item: JournalItem): number => {
  if (item.kind === 'control') return item.payload?.length ?? 0
  return item.isRepeat ? 0 : item.bytes.length - PAYLOAD_SKIPPED_BYTES
}

const writeBatchEntry = (
  bytes: Uint8Array,
  at: number,
  batch: StoredBatch,
  isDirect: boolean,
  payloadAt: number,
): void => {
  writeEntry(bytes, at, {
    kind: isDirect ? EntryKind.marker : EntryKind.append,
    flags: 0,
    crc: batchCrc(batch.bytes),
    logId: batch.log.id,
    baseOffset: batch.baseOffset,
    nextOffset: batch.nextOffset,
    segmentBase: batch.segment.baseOffset,
    position: batch.position,
    length: batch.bytes.length,
    epoch: batch.epoch,
    payloadAt,
  })
}

export class GroupBuilder {
  #buffer = new Uint8Array(65_536)

  /**
   * The bytes of a group, in a buffer that the next call writes over: the write must be done first.
   */
  build(
    items: readonly JournalItem[],
    isDirect: (batch: StoredBatch) => boolean,
    header: { sequence: number; durable: number; wallClockMs: number; incarnation: number },
  ): Uint8Array {
    const entriesEnd = GROUP_HEADER_BYTES + items.length * ENTRY_BYTES
    let payloadBytes = 0
    for (const item of items)
      if (item.kind === 'control' || !isDirect(item)) payloadBytes += payloadBytesOf(item)
    const total = groupBytes(items.length, payloadBytes)
    this.#reserve(total)
    this.#writePayloads(items, entriesEnd + payloadBytes, isDirect)
    let at = GROUP_HEADER_BYTES
    let payloadAt = 0
    let lastPayloadAt = 0
    for (const item of items) {
      // Its bytes stand there already: the entry alone is its own.
      const isRepeat = item.kind === 'batch' && item.isRepeat
      if (!isRepeat) lastPayloadAt = payloadAt
      payloadAt += this.#writeEntry(item, at, lastPayloadAt, isDirect)
      at += ENTRY_BYTES
    }
    const { incarnation, ...fields } = header
    sealGroup(this.#buffer, 0, { ...fields, entryCount: items.length, payloadBytes }, incarnation)
    return this.#buffer.subarray(0, total)
  }

  /**
   * From the last one to the first, each batch with the prefix that is left out of a group: it lands
   * on what is written after it. So none of them is cut, which would cost more than copying it.
   */
  #writePayloads(
    items: readonly JournalItem[],
    end: number,
    isDirect: (batch: StoredBatch) => boolean,
  ): void {
    let at = end
    for (let index = items.length - 1; index >= 0; index--) {
      const item = items[index]!
      if (item.kind === 'control') {
        if (item.payload === undefined) continue
        at -= item.payload.length
        this.#buffer.set(item.payload, at)
      } else if (!item.isRepeat && !isDirect(item)) {
        at -= payloadBytesOf(item)
        this.#buffer.set(item.bytes, at - PAYLOAD_SKIPPED_BYTES)
      }
    }
  }

  /** Returns the payload bytes that it has. */
  #writeEntry(
    item: JournalItem,
    at: number,
    payloadAt: number,
    isDirect: (batch: StoredBatch) => boolean,
  ): number {
    if (item.kind === 'control') writeEntry(this.#buffer, at, { ...item.entry, payloadAt })
    else {
      const direct = isDirect(item)
      writeBatchEntry(this.#buffer, at, item, direct, payloadAt)
      if (direct) return 0
    }
    return payloadBytesOf(item)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    this.#buffer = new Uint8Array(Math.max(bytes, this.#buffer.length * 2))
  }
}
