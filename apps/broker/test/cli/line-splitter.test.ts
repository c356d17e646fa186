import * as fc from 'fast-check'
import { LineSplitter } from '../../src/cli/line-splitter.ts'

const split = (chunks: readonly Uint8Array[], lineBytesMax?: number): string[] => {
  const lines: string[] = []
  const splitter = new LineSplitter(
    (line) => lines.push(Buffer.from(line).toString()),
    lineBytesMax,
  )
  for (const chunk of chunks) splitter.push(chunk)
  splitter.end()
  return lines
}

it.each([
  ['a\nb\n', ['a', 'b']],
  ['a\nb', ['a', 'b']],
  ['a\r\nb\r\n', ['a\r', 'b\r']],
  ['\n\na\n\n', ['', '', 'a', '']],
  ['', []],
  ['\n', ['']],
  ['\r', ['\r']],
])('splits %j into %j', (text, expected) => {
  expect(split([Buffer.from(text)])).toEqual(expected)
})

it('does not care where chunks end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'bc', '\n', '\r', 'é'), { maxLength: 30 }),
      fc.array(fc.nat(10), { maxLength: 20 }),
      (parts, cuts) => {
        const bytes = Buffer.from(parts.join(''))
        const chunks: Uint8Array[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut))
          at += cut
        }
        chunks.push(bytes.subarray(at))
        expect(split(chunks)).toEqual(split([bytes]))
      },
    ),
  )
})

it('does not keep a chunk that is used again', () => {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(Buffer.from(line).toString()))
  const chunk = Buffer.from('ab')
  splitter.push(chunk)
  chunk.fill('x')
  splitter.push(Buffer.from('c\n'))
  expect(lines).toEqual(['abc'])
})

it('takes a line of exactly the limit and refuses one byte more', () => {
  expect(split([Buffer.from('12345678\n')], 8)).toEqual(['12345678'])
  expect(() => split([Buffer.from('123456789\n')], 8)).toThrow(/longer than 8 bytes/)
  expect(() => split([Buffer.from('12345'), Buffer.from('6789')], 8)).toThrow(/longer than 8/)
})
