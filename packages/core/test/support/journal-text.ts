/** Journal files written by hand, group by group, whole or damaged. */
import { batchCrc, utf8Encode, writeBatchPrefix } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import {
  ENTRY_BYTES,
  EntryKind,
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  PAYLOAD_SKIPPED_BYTES,
  alignGroup,
  encodeFileHeader,
  groupBytes,
  sealGroup,
  writeEntry,
} from '../../src/log/journal-format.ts'
import { controlEntry } from '../../src/log/journal-group.ts'
import { DIRECTORY, batchOf } from './node.ts'

export interface EntryText {
  readonly kind: 'append' | 'create' | 'tombstone'
  readonly logId: number
  readonly baseOffset?: number
  readonly value?: string
}

export interface GroupText {
  readonly durable: number
  readonly entries: readonly EntryText[]
  readonly sequence?: number
  readonly incarnation?: number
  readonly damage?: 'header' | 'payload'
}

export interface JournalText {
  readonly firstGroup: number
  readonly groups: readonly GroupText[]
}

const INCARNATION = 0x5eed

const bodyOf = (entry: EntryText): Uint8Array => {
  if (entry.kind !== 'append') return utf8Encode('')
  const batch = batchOf([entry.value ?? ''])
  writeBatchPrefix(batch, 0, entry.baseOffset ?? 0, batch.length, 1)
  return batch
}

/** Batches of one log are of one size here, so that their places follow from their offsets. */
const writeOne = (
  bytes: Uint8Array,
  at: number,
  entry: EntryText,
  payloadAt: number,
  position: number,
): void => {
  const body = bodyOf(entry)
  const baseOffset = entry.baseOffset ?? 0
  const fields = { logId: entry.logId, epoch: 1, payloadAt }
  const place = { baseOffset, nextOffset: baseOffset + 1, position, length: body.length }
  const crc = entry.kind === 'append' ? batchCrc(body) : 0
  const rest = entry.kind === 'append' ? { ...place, crc } : {}
  writeEntry(bytes, at, controlEntry(EntryKind[entry.kind], { ...fields, ...rest }))
}

const groupOf = (
  group: GroupText,
  sequence: number,
  positions: Map<number, number>,
): Uint8Array => {
  const bodies = group.entries.map((entry) => bodyOf(entry).subarray(PAYLOAD_SKIPPED_BYTES))
  const payloadBytes = bodies.reduce((sum, body) => sum + body.length, 0)
  const bytes = new Uint8Array(groupBytes(group.entries.length, payloadBytes))
  const entriesEnd = GROUP_HEADER_BYTES + ENTRY_BYTES * group.entries.length
  let payloadAt = 0
  for (const [index, entry] of group.entries.entries()) {
    const position = positions.get(entry.logId) ?? 0
    writeOne(bytes, GROUP_HEADER_BYTES + ENTRY_BYTES * index, entry, payloadAt, position)
    bytes.set(bodies[index] ?? bytes.subarray(0, 0), entriesEnd + payloadAt)
    payloadAt += bodies[index]?.length ?? 0
    if (entry.kind === 'append') positions.set(entry.logId, position + bodyOf(entry).length)
  }
  const header = { durable: group.durable, entryCount: group.entries.length, payloadBytes }
  const sealed = { ...header, sequence: group.sequence ?? sequence, wallClockMs: 0 }
  sealGroup(bytes, 0, sealed, group.incarnation ?? INCARNATION)
  if (group.damage === 'header') bytes[20] = (bytes[20] ?? 0) ^ 1
  if (group.damage === 'payload') bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
  return bytes
}

export const journalOf = (text: JournalText, fileBytes = 64 * 1_024): Uint8Array => {
  const bytes = new Uint8Array(fileBytes)
  const { firstGroup } = text
  bytes.set(encodeFileHeader({ incarnation: INCARNATION, fileNumber: firstGroup, firstGroup }))
  const positions = new Map<number, number>()
  let at = FILE_DATA_AT
  for (const [index, group] of text.groups.entries()) {
    const written = groupOf(group, firstGroup + index, positions)
    bytes.set(written, at)
    at = alignGroup(at + written.length)
  }
  return bytes
}

/** Puts a journal file where the engine looks for it, durable. */
export const writeFileInto = async (
  world: SimulatedWorld,
  slot: number,
  bytes: Uint8Array,
): Promise<void> => {
  const { disk } = world.boot()
  const run = <T>(promise: Promise<T>): Promise<T> => world.scheduler.runUntil(promise)
  for (const path of [DIRECTORY, `${DIRECTORY}/journal`]) await run(disk.makeDirectory(path))
  const path = `${DIRECTORY}/journal/${String(slot).padStart(6, '0')}.journal`
  const file = await run(disk.open(path, 'create'))
  await run(file.write([bytes], 0))
  await run(file.sync())
  await run(file.close())
  for (const one of [`${DIRECTORY}/journal`, DIRECTORY, '/']) await run(disk.syncDirectory(one))
}
