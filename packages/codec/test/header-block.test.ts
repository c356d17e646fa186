import fc from 'fast-check'
import {
  checkHeaderBlock,
  decodeHeaderBlock,
  decodeRecords,
  encodeHeaderBlock,
  headerBlockSize,
  isBrokerError,
  RecordBatchBuilder,
  type RecordHeader,
  utf8Encode,
} from '../src/index.ts'

const headers: RecordHeader[] = [
  { key: 'h', value: utf8Encode('v') },
  { key: 'none', value: null },
  { key: '', value: new Uint8Array(0) },
  { key: 'h', value: utf8Encode('again') },
  { key: 'Grüße', value: new Uint8Array(300).fill(7) },
]

const codeOf = (action: () => unknown): unknown => {
  try {
    action()
  } catch (error) {
    return isBrokerError(error) ? `${error.code} ${error.message}` : error
  }
  return undefined
}

it('writes headers as a record has them', () => {
  const builder = new RecordBatchBuilder()
  builder.appendFields(1, null, null, headers)
  const batch = builder.build()
  const block = encodeHeaderBlock(headers)
  expect(block).toHaveLength(headerBlockSize(headers))
  expect(batch.subarray(batch.length - block.length)).toEqual(block)
  expect(decodeHeaderBlock(block)).toEqual(decodeRecords(batch)[0]?.headers)
})

it('needs no bytes for no headers, and takes a count of none too', () => {
  expect(encodeHeaderBlock([])).toHaveLength(0)
  expect(decodeHeaderBlock(new Uint8Array(0))).toEqual([])
  expect(decodeHeaderBlock(Uint8Array.of(0))).toEqual([])
  expect(codeOf(() => checkHeaderBlock(new Uint8Array(0)))).toBeUndefined()
})

it('gives its values as views', () => {
  const block = encodeHeaderBlock(headers)
  expect(decodeHeaderBlock(block)[0]?.value?.buffer).toBe(block.buffer)
})

it.each([
  ['cut short', encodeHeaderBlock(headers).subarray(0, 20), 'bytes wanted'],
  ['with bytes behind it', Uint8Array.of(0, 1), 'bytes follow the last header'],
  ['with more headers than bytes', Uint8Array.of(8, 0, 1), 'claims 4 headers'],
  ['with a count below zero', Uint8Array.of(1, 0, 1), 'claims -1 headers'],
  ['with a null key', Uint8Array.of(2, 1, 1), 'a header key is null'],
  ['with a value below null', Uint8Array.of(2, 0, 3), 'a header value claims -2 bytes'],
])('refuses a block %s', (_name, block, text) => {
  expect(codeOf(() => decodeHeaderBlock(block))).toContain(text)
  expect(codeOf(() => checkHeaderBlock(block))).toContain(text)
})

it('refuses a key that is not UTF-8 where a stranger sends it', () => {
  const block = Uint8Array.of(2, 2, 0xff, 1)
  expect(codeOf(() => checkHeaderBlock(block))).toContain('not UTF-8')
})

it('answers arbitrary bytes with headers or a BrokerError, and reads what the check lets through', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (block) => {
      const failure = codeOf(() => checkHeaderBlock(block))
      if (failure === undefined) expect(() => decodeHeaderBlock(block)).not.toThrow()
      else expect(String(failure)).toContain('ERR_MALFORMED_BODY')
    }),
    { numRuns: 2000 },
  )
})
