/**
 * Reads from a log of system calls whether an acknowledgement followed the syncs it rests on. Every
 * function returns what is wrong, or `undefined`.
 */
import { basename, dirname } from 'node:path'
import { type SystemCall, holds } from './system-calls.ts'

const WRITES = new Set(['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2'])
const SENDS = new Set([...WRITES, 'sendto', 'sendmsg'])
const SYNCS = new Set(['fdatasync', 'fsync'])
const RENAMES = new Set(['rename', 'renameat', 'renameat2'])

const HEADER_BYTES = 12

export const isJournal = (path: string | undefined): boolean => path?.endsWith('.journal') === true
export const isSegment = (path: string | undefined): boolean =>
  path !== undefined && /\/logs\/\d+\/\d{20}\.log$/.test(path)

const wasWritten = (call: SystemCall): boolean => WRITES.has(call.name) && (call.result ?? -1) > 0

/** Whether the frame with this opcode and correlation begins in the bytes. */
const holdsFrame = (bytes: Buffer, op: number, correlation: number): boolean => {
  let at = 0
  while (at + HEADER_BYTES <= bytes.length) {
    if (bytes[at + 4] === op && bytes.readUInt32BE(at + 8) === correlation) return true
    at += 4 + bytes.readUInt32BE(at)
  }
  return false
}

/** The write of an answer to the socket of the peer with this port. */
export const findAnswer = (
  calls: readonly SystemCall[],
  peerPort: number,
  op: number,
  correlation: number,
): SystemCall => {
  const found = calls.find(
    (call) =>
      SENDS.has(call.name) &&
      call.target?.endsWith(`->127.0.0.1:${peerPort}]`) === true &&
      holdsFrame(Buffer.concat(call.strings), op, correlation),
  )
  if (found === undefined) throw new Error(`no answer 0x${op.toString(16)} ${correlation} was sent`)
  return found
}

/** The last write of these bytes to such a file before the answer. */
const writeBefore = (
  calls: readonly SystemCall[],
  answer: SystemCall,
  isFile: (path: string | undefined) => boolean,
  marker: string | undefined,
): SystemCall | undefined =>
  calls.findLast(
    (call) =>
      wasWritten(call) &&
      isFile(call.target) &&
      call.end < answer.begin &&
      (marker === undefined || holds(call, marker)),
  )

/** Of that very file (or directory), begun after the one call, returned without error before the other. */
const isSyncedBetween = (
  calls: readonly SystemCall[],
  path: string | undefined,
  after: SystemCall,
  before: SystemCall,
): boolean =>
  calls.some(
    (call) =>
      SYNCS.has(call.name) &&
      call.target === path &&
      call.result === 0 &&
      call.begin > after.end &&
      call.end < before.begin,
  )

/** The marker was written to a journal, that journal was synced, and only then the answer left. */
export const journaledBeforeAnswer = (
  calls: readonly SystemCall[],
  answer: SystemCall,
  marker: string,
): string | undefined => {
  const write = writeBefore(calls, answer, isJournal, marker)
  if (write === undefined) return 'it was not in the journal when the answer was sent'
  if (isSyncedBetween(calls, write.target, write, answer)) return undefined
  return `${write.target} was not synced between write and answer`
}

/**
 * The marker was written to a segment, a group that speaks of it to the journal, both files and the
 * names of a new segment were synced, and only then the answer left.
 */
export const appendedDirectlyBeforeAnswer = (
  calls: readonly SystemCall[],
  answer: SystemCall,
  marker: string,
): string | undefined => {
  const inJournal = writeBefore(calls, answer, isJournal, marker)
  if (inJournal !== undefined) return 'it went through the journal, not straight to its segment'
  const segment = writeBefore(calls, answer, isSegment, marker)
  if (segment === undefined) return 'it was not in its segment when the answer was sent'
  const group = writeBefore(calls, answer, isJournal, undefined)
  if (group === undefined || group.begin < segment.end) return 'no group of the journal followed'
  for (const write of [segment, group]) {
    if (!isSyncedBetween(calls, write.target, write, answer))
      return `${write.target} was not synced between write and answer`
  }
  return namesBeforeAnswer(calls, answer, segment.target as string)
}

/** A file that was created before the answer has its name on disk: in its directory, and that in its own. */
const namesBeforeAnswer = (
  calls: readonly SystemCall[],
  answer: SystemCall,
  path: string,
): string | undefined => {
  const created = creationsOf(calls).find((call) => call.opened === path)
  if (created === undefined) return undefined
  const directory = dirname(path)
  const made = calls.find(
    (call) => call.name.startsWith('mkdir') && call.result === 0 && holds(call, directory),
  )
  if (!isSyncedBetween(calls, directory, created, answer)) return `${directory} was not synced`
  if (made === undefined || isSyncedBetween(calls, dirname(directory), made, answer))
    return undefined
  return `${dirname(directory)} was not synced after ${directory} was made in it`
}

export const creationsOf = (calls: readonly SystemCall[]): SystemCall[] =>
  calls.filter(
    ({ name, text, opened }) =>
      (name === 'openat' || name === 'open') && text.includes('O_CREAT') && opened !== undefined,
  )

/** Renames within a directory. */
export const renamesIn = (calls: readonly SystemCall[], directory: string): SystemCall[] =>
  calls.filter(
    ({ name, result, strings: [, to] }) =>
      RENAMES.has(name) && result === 0 && String(to).startsWith(`${directory}/`),
  )

/** The new names, without what is in front of the last slash. */
export const renamedTo = (renames: readonly SystemCall[]): string[] =>
  renames.map(({ strings: [, to] }) => basename(String(to)))

const last = (calls: readonly SystemCall[]): SystemCall => {
  const call = calls[calls.length - 1]
  if (call === undefined) throw new Error('there are no system calls')
  return { ...call, begin: Infinity }
}

/** A new journal file's name is synced before the first group is written to it. */
export const journalNamesBeforeGroups = (calls: readonly SystemCall[]): string | undefined => {
  for (const created of creationsOf(calls)) {
    const { opened } = created
    if (opened === undefined || !isJournal(opened)) continue
    const first = calls.find(
      (call) => wasWritten(call) && call.target === opened && call.strings.some(isNotZeros),
    )
    const isNamed = isSyncedBetween(calls, dirname(opened), created, first ?? last(calls))
    if (!isNamed) return `${dirname(opened)} was not synced after ${opened} was made`
  }
  return undefined
}

const isNotZeros = (bytes: Buffer): boolean => bytes.some((byte) => byte !== 0)

/** What is renamed was synced before, and the directory after. */
export const renamesAreDurable = (
  calls: readonly SystemCall[],
  directory: string,
): string | undefined => {
  for (const call of renamesIn(calls, directory)) {
    const [from, to] = [String(call.strings[0]), String(call.strings[1])]
    const write = calls.findLast(
      (one) => wasWritten(one) && one.target === from && one.end < call.begin,
    )
    if (write === undefined || !isSyncedBetween(calls, from, write, call))
      return `${from} was not synced before it was renamed`
    if (!isSyncedBetween(calls, dirname(to), call, last(calls)))
      return `${dirname(to)} was not synced after ${to} was renamed`
  }
  return undefined
}
