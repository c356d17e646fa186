import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { utf8Encode } from '@millrace/codec'
import {
  ENTRY_BYTES,
  EntryKind,
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  HEADER_COPY_AT,
  alignGroup,
  alignPage,
  decodeFileHeader,
  encodeFileHeader,
  groupBytes,
  readEntry,
  readGroupHeader,
  sealGroup,
  writeEntry,
  type JournalEntryFields,
} from '../../src/log/journal-format.ts'

interface Vectors {
  readonly fileHeader: {
    readonly fields: Parameters<typeof encodeFileHeader>[0]
    readonly hex: string
  }
  readonly group: {
    readonly incarnation: number
    readonly header: Parameters<typeof sealGroup>[2]
    readonly entry: JournalEntryFields
    readonly payload: string
    readonly hex: string
  }
}

const vectors = JSON.parse(
  readFileSync(join(__dirname, '../vectors/journal.json'), 'utf8'),
) as Vectors

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const groupOf = (vector: Vectors['group']): Uint8Array => {
  const bytes = new Uint8Array(groupBytes(1, vector.payload.length))
  writeEntry(bytes, GROUP_HEADER_BYTES, vector.entry)
  bytes.set(utf8Encode(vector.payload), GROUP_HEADER_BYTES + ENTRY_BYTES)
  sealGroup(bytes, 0, vector.header, vector.incarnation)
  return bytes
}

describe('the header of a journal file', () => {
  const { fields, hex } = vectors.fileHeader

  it('has the bytes of the vector, twice, each copy in a page of its own', () => {
    const bytes = encodeFileHeader(fields)
    expect(bytes).toHaveLength(FILE_DATA_AT)
    expect(hexOf(bytes.subarray(0, 36))).toBe(hex)
    expect(hexOf(bytes.subarray(HEADER_COPY_AT, HEADER_COPY_AT + 36))).toBe(hex)
    expect(HEADER_COPY_AT % 4_096).toBe(0)
  })

  it('is read from either copy, and from none when both are damaged', () => {
    for (let page = 0; page < 2; page++) {
      const bytes = encodeFileHeader(fields)
      bytes.fill(0, page * 4_096, page * 4_096 + 4_096)
      expect(decodeFileHeader(bytes)).toEqual(fields)
    }
    expect(decodeFileHeader(new Uint8Array(FILE_DATA_AT))).toBeUndefined()
  })

  it('shows every flipped bit', () => {
    for (let bit = 0; bit < 8 * 36; bit++) {
      const bytes = encodeFileHeader(fields)
      bytes.fill(0, HEADER_COPY_AT)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeFileHeader(bytes)).toBeUndefined()
    }
  })

  it('is not there in fewer bytes than it takes', () => {
    const bytes = encodeFileHeader(fields)
    for (let length = 0; length < 36; length++)
      expect(decodeFileHeader(bytes.subarray(0, length))).toBeUndefined()
    expect(decodeFileHeader(bytes.subarray(0, 36))).toEqual(fields)
  })
})

describe('a group', () => {
  const vector = vectors.group

  it('has the bytes of the vector', () => {
    expect(hexOf(groupOf(vector))).toBe(vector.hex)
  })

  it('is read back, entry and all', () => {
    const bytes = groupOf(vector)
    expect(readGroupHeader(bytes, 0, bytes.length, vector.incarnation)).toEqual(vector.header)
    expect(readEntry(bytes, GROUP_HEADER_BYTES)).toEqual(vector.entry)
  })

  it('shows every flipped bit of header and entries', () => {
    for (let bit = 0; bit < 8 * (GROUP_HEADER_BYTES + ENTRY_BYTES); bit++) {
      const bytes = groupOf(vector)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(readGroupHeader(bytes, 0, bytes.length, vector.incarnation)).toBeUndefined()
    }
  })

  it('of another use of the file is none: the incarnation seeds the checksum', () => {
    const bytes = groupOf(vector)
    for (const other of [0, 1, vector.incarnation + 1, 0xffff_ffff])
      expect(readGroupHeader(bytes, 0, bytes.length, other)).toBeUndefined()
  })

  it('is none when it is cut anywhere before its payload', () => {
    const bytes = groupOf(vector)
    const end = GROUP_HEADER_BYTES + ENTRY_BYTES
    for (let length = 0; length < end; length++)
      expect(readGroupHeader(bytes, 0, length, vector.incarnation)).toBeUndefined()
    expect(readGroupHeader(bytes, 0, end, vector.incarnation)).toBeDefined()
  })

  it('that claims more entries than there are bytes is none', () => {
    const bytes = groupOf(vector)
    for (const count of [0xffff_ffff, 0x7fff_ffff, 2]) {
      new DataView(bytes.buffer).setUint32(24, count)
      expect(readGroupHeader(bytes, 0, bytes.length, vector.incarnation)).toBeUndefined()
    }
  })
})

it('aligns groups to sectors and claims to pages', () => {
  expect([0, 1, 512, 513].map(alignGroup)).toEqual([0, 512, 512, 1_024])
  expect([0, 1, 4_096, 4_097].map(alignPage)).toEqual([0, 4_096, 4_096, 8_192])
})

it('never gives an entry kind another number', () => {
  expect(EntryKind).toEqual({
    append: 1,
    marker: 2,
    create: 3,
    tombstone: 4,
    ceiling: 5,
    checkpoint: 6,
    trim: 7,
  })
})
