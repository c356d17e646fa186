import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNodeEnvironment } from '../../src/environment/node-environment.ts'
import { journalFileName } from '../../src/log/journal-file.ts'
import {
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  alignGroup,
  encodeFileHeader,
  sealGroup,
} from '../../src/log/journal-format.ts'
import { JournalFileBytes, scanJournal } from '../../src/log/journal-scan.ts'

const FILE_BYTES = 32_768

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-scan-'))
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A file whose groups are empty but for their headers. */
const writeJournal = (slot: number, fileNumber: number, sequences: readonly number[]): void => {
  const incarnation = 1_000 + slot
  const bytes = new Uint8Array(FILE_BYTES)
  const firstGroup = sequences[0] ?? 0
  bytes.set(encodeFileHeader({ incarnation, fileNumber, firstGroup }), 0)
  let at = FILE_DATA_AT
  for (const sequence of sequences) {
    const group = new Uint8Array(GROUP_HEADER_BYTES)
    const fields = { sequence, durable: sequence - 1, entryCount: 0, payloadBytes: 0 }
    sealGroup(group, 0, { ...fields, wallClockMs: 0 }, incarnation)
    bytes.set(group, at)
    at = alignGroup(at + group.length)
  }
  writeFileSync(join(directory, journalFileName(slot)), bytes)
}

const scannedGroups = async (): Promise<string[]> => {
  const contents = new JournalFileBytes()
  const scan = await scanJournal(createNodeEnvironment(), directory, FILE_BYTES, contents)
  for (const file of [...scan.files, ...scan.free]) await file.file.close()
  return scan.groups.map(({ header, file }) => `${header.sequence} in ${file.slot}`)
}

describe('the scan of the journal', () => {
  it('finds the groups of every file in order', async () => {
    writeJournal(2, 1, [1, 2])
    writeJournal(1, 2, [3, 4])
    expect(await scannedGroups()).toEqual(['1 in 2', '2 in 2', '3 in 1', '4 in 1'])
  })

  it('believes no group that an earlier recovery gave up', async () => {
    writeJournal(1, 1, [1, 2, 3])
    writeJournal(2, 2, [3, 4])
    expect(await scannedGroups()).toEqual(['1 in 1', '2 in 1', '3 in 2', '4 in 2'])
  })

  it('believes none either when two files were given up, the later one with higher groups', async () => {
    writeJournal(1, 1, [41])
    // Group 42 was torn: the recovery gave up 43 and 44 and began a file at 42 again.
    writeJournal(2, 2, [43])
    writeJournal(3, 3, [44])
    writeJournal(4, 4, [42, 43, 44, 45])
    expect(await scannedGroups()).toEqual(['41 in 1', '42 in 4', '43 in 4', '44 in 4', '45 in 4'])
  })
})
