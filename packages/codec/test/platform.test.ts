import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as codec from '../src/index.ts'

const source = new URL('../src/', import.meta.url).pathname
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
const sources = files.filter((name) => name.endsWith('.ts'))

describe('the package', () => {
  it('imports nothing from outside itself', () => {
    for (const name of sources) {
      const content = readFileSync(join(source, name), 'utf8')
      const imports = [...content.matchAll(/\bfrom '([^']+)'/g)]
      expect([name, imports.filter(([, from]) => !from?.startsWith('.'))]).toEqual([name, []])
      expect([name, /\bBuffer\.|require\('/.test(content)]).toEqual([name, false])
    }
  })

  it('builds DataViews in the reader and the writer only', () => {
    const builders = sources.filter((name) =>
      readFileSync(join(source, name), 'utf8').includes('new DataView'),
    )
    expect(builders.sort()).toEqual(['byte-reader.ts', 'byte-writer.ts'])
  })

  it('exports something behind every name', () => {
    for (const [name, value] of Object.entries(codec)) {
      expect([name, value === undefined]).toEqual([name, false])
    }
  })
})
