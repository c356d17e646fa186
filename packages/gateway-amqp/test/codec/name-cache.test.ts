import fc from 'fast-check'
import { NameCache } from '../../src/codec/name-cache.ts'
import { NAME_KEPT_BYTES_MAX } from '../../src/limits.ts'

it('gives back every text, whatever was asked before', () => {
  const cache = new NameCache(8)
  fc.assert(
    fc.property(fc.string({ maxLength: 200, unit: 'grapheme' }), (text) => {
      const bytes = Buffer.from(`<${text}>`)
      expect(cache.text(bytes, 1, bytes.length - 1)).toBe(text)
    }),
  )
})

it('keeps nothing of the buffer that it was shown', () => {
  const cache = new NameCache()
  const bytes = Buffer.from('orders')
  expect(cache.text(bytes, 0, 6)).toBe('orders')
  bytes.fill(0xdb)
  expect(cache.text(Buffer.from('orders'), 0, 6)).toBe('orders')
})

it('tells names of one slot apart', () => {
  const cache = new NameCache(1)
  for (const name of ['aa', 'bb', 'aa']) {
    expect(cache.text(Buffer.from(name), 0, 2)).toBe(name)
  }
})

it.each([NAME_KEPT_BYTES_MAX, NAME_KEPT_BYTES_MAX + 1])('reads a name of %d bytes', (length) => {
  const text = 'n'.repeat(length)
  expect(new NameCache().text(Buffer.from(text), 0, length)).toBe(text)
})

it('refuses what is not UTF-8', () => {
  expect(() => new NameCache().text(Buffer.from([0xc3, 0x28]), 0, 2)).toThrow(/not UTF-8/)
})
