import { createRequire } from 'node:module'
import fc from 'fast-check'
import { murmur2, partitionForKey } from '../src/murmur2.ts'
import { fromHex, hashVectors, text } from './support.ts'

const kafkajsMurmur2 = createRequire(import.meta.url)(
  'kafkajs/src/producer/partitioners/default/murmur2',
) as (key: Buffer) => number

describe('murmur2', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as Kafka does', (key, hash) => {
    expect(murmur2(text(key))).toBe(hash)
  })

  it('agrees with two other implementations at every length', () => {
    for (const vector of hashVectors()) expect(murmur2(fromHex(vector.hex))).toBe(vector.murmur2)
  })

  it('agrees with kafkajs on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(murmur2(bytes)).toBe(kafkajsMurmur2(Buffer.from(bytes)))
      }),
    )
  })

  it('chooses an existing partition for every key, also a negative hash', () => {
    expect(partitionForKey(text('21'), 1000)).toBe((-973932308 & 0x7fffffff) % 1000)
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 10_000 }), (key, count) => {
        const partition = partitionForKey(key, count)
        expect(Number.isInteger(partition) && partition >= 0 && partition < count).toBe(true)
      }),
    )
  })
})
