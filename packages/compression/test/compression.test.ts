import { compressionCodecs, isBrokerError, type BatchCompression } from '@millrace/codec'
import fc from 'fast-check'
import { createCompression } from '../src/index.ts'

const codecs = [
  ['gzip', compressionCodecs.gzip],
  ['snappy', compressionCodecs.snappy],
  ['lz4', compressionCodecs.lz4],
  ['zstd', compressionCodecs.zstd],
] as const

let compression: BatchCompression

beforeAll(async () => {
  compression = await createCompression()
})

const codeOf = (work: () => unknown): string => {
  try {
    work()
    return 'returned'
  } catch (error) {
    return isBrokerError(error) ? error.code : `not ours: ${String(error)}`
  }
}

describe.each(codecs)('%s', (_name, codec) => {
  it('gives back what was compressed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4_000 }), (bytes) => {
        const back = compression.decompress(codec, compression.compress(codec, bytes), 4_000)
        expect(Buffer.from(back).equals(Buffer.from(bytes))).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('reads a view into a larger buffer', () => {
    const text = Buffer.from('padding:the same words, the same words:padding')
    const view = text.subarray(8, 38)
    const packed = Buffer.from(compression.compress(codec, view))
    const shifted = Buffer.concat([Buffer.alloc(5), packed]).subarray(5)
    expect(Buffer.from(compression.decompress(codec, shifted, 10_000)).toString()).toBe(
      view.toString(),
    )
  })

  it('inflates to the limit and not to one byte more', () => {
    const bytes = new Uint8Array(100_000)
    const packed = compression.compress(codec, bytes)
    expect(compression.decompress(codec, packed, 200_000).length).toBe(100_000)
    expect(codeOf(() => compression.decompress(codec, packed, 99_999))).toBe('ERR_INVALID_BATCH')
  })

  it('refuses a bomb of 1000 to 1 before it inflates it', () => {
    const bomb = compression.compress(codec, new Uint8Array(32_000_000))
    expect(codeOf(() => compression.decompress(codec, bomb, 1_000_000))).toBe('ERR_INVALID_BATCH')
  })

  it('refuses data cut off at every byte', () => {
    const packed = compression.compress(codec, Buffer.from('some words, some words, some words'))
    for (let length = 0; length < packed.length; length++) {
      const cut = packed.subarray(0, length)
      expect(codeOf(() => compression.decompress(codec, cut, 10_000))).toBe('ERR_INVALID_BATCH')
    }
  })

  it('answers garbage with an error of ours or within the limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const code = codeOf(() => compression.decompress(codec, bytes, 10_000))
        expect(['returned', 'ERR_INVALID_BATCH']).toContain(code)
      }),
      { numRuns: 300 },
    )
  })
})

describe('snappy in the framing of xerial', () => {
  const header = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]

  const framed = (...blocks: Uint8Array[]): Uint8Array =>
    Buffer.concat([
      Buffer.from(header),
      ...blocks.flatMap((block) => {
        const length = Buffer.alloc(4)
        length.writeUInt32BE(block.length)
        return [length, Buffer.from(block)]
      }),
    ])

  const { snappy } = compressionCodecs

  it('reads several blocks as one', () => {
    const one = compression.compress(snappy, Buffer.from('hello '))
    const two = compression.compress(snappy, Buffer.from('world'))
    const back = compression.decompress(snappy, framed(one, two), 100)
    expect(Buffer.from(back).toString()).toBe('hello world')
  })

  it('adds up what the blocks claim before it inflates one', () => {
    const claim = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f)
    expect(codeOf(() => compression.decompress(snappy, framed(claim), 1_000))).toBe(
      'ERR_INVALID_BATCH',
    )
  })

  it('refuses a block length that reaches beyond the data', () => {
    const bytes = framed(compression.compress(snappy, Buffer.from('x')))
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(16, 0x7fff_ffff)
    expect(codeOf(() => compression.decompress(snappy, bytes, 1_000))).toBe('ERR_INVALID_BATCH')
  })
})

it('knows no other codec', () => {
  expect(codeOf(() => compression.compress(5, new Uint8Array(1)))).toBe('ERR_UNSUPPORTED_CODEC')
})

it('inflates a zstd frame that states no size, as librdkafka 2.0.2 writes it', () => {
  const hex = [
    '28b52ffd00581d0300940344000000066b65791c7468652073616d6520776f72647302086e616d650a76616c',
    '7565440000020406080a0c0e10121416181a1c1e202224261300a011e01c7018700438071c061c01ce018701',
    '478073c061c011e01c7018700438071c76e32832',
  ].join('')
  const frame = Buffer.from(hex, 'hex')
  const inflated = compression.decompress(compressionCodecs.zstd, frame, 1 << 20)
  expect(Buffer.from(inflated).toString('latin1').split('the same words')).toHaveLength(21)
})

it('may be created more than once in a process', async () => {
  const bytes = Buffer.from('the same words, '.repeat(1_000))
  const packed = compression.compress(compressionCodecs.zstd, bytes)
  for (let count = 0; count < 5; count++) {
    const another = await createCompression()
    for (const one of [compression, another]) {
      const back = one.decompress(compressionCodecs.zstd, packed, bytes.length)
      expect(Buffer.from(back).equals(bytes)).toBe(true)
    }
  }
})
