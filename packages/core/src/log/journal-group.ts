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
    let at = GROUP_HEADER_BYTES
    let payloadAt = 0
    let lastPayloadAt = 0
    for (const item of items) {
      // Its bytes stand there already: the entry alone is its own.
      const isRepeat = item.kind === 'batch' && item.isRepeat
      if (!isRepeat) lastPayloadAt = payloadAt
      payloadAt += this.#writeItem(item, at, entriesEnd, lastPayloadAt, isDirect)
      at += ENTRY_BYTES
    }
    const { incarnation, ...fields } = header
    sealGroup(this.#buffer, 0, { ...fields, entryCount: items.length, payloadBytes }, incarnation)
    return this.#buffer.subarray(0, total)
  }

  /** Returns the payload bytes it took. */
  #writeItem(
    item: JournalItem,
    at: number,
    entriesEnd: number,
    payloadAt: number,
    isDirect: (batch: StoredBatch) => boolean,
  ): number {
    if (item.kind === 'control') {
      writeEntry(this.#buffer, at, { ...item.entry, payloadAt })
      if (item.payload !== undefined) this.#buffer.set(item.payload, entriesEnd + payloadAt)
      return item.payload?.length ?? 0
    }
    const direct = isDirect(item)
    writeBatchEntry(this.#buffer, at, item, direct, payloadAt)
    if (direct || item.isRepeat) return 0
    const body = item.bytes.subarray(PAYLOAD_SKIPPED_BYTES)
    this.#buffer.set(body, entriesEnd + payloadAt)
    return body.length
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    this.#buffer = new Uint8Array(Math.max(bytes, this.#buffer.length * 2))
  }
}
