/** The example of the README runs as it stands and prints what it says. */
import { readFileSync } from 'node:fs'
import * as codec from '../src/index.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const example = /```js\n([^]*?)```/.exec(readme)?.[1] ?? ''

it('runs the example of the README', () => {
  const imported = [...example.matchAll(/import \{([^}]*)\} from '@millrace\/codec'/g)]
  const names = imported.flatMap((match) => match[1]!.match(/\w+/g)!)
  expect(names.filter((name) => !(name in codec))).toEqual([])
  const printed: string[] = []
  const console = { log: (...words: unknown[]) => printed.push(words.join(' ')) }
  const body = example.replace(/import [^]*? from '[^']*'\n/g, '')
  const run = new Function('console', ...names, body) as (...values: unknown[]) => void
  run(console, ...names.map((name) => codec[name as keyof typeof codec]))
  expect(printed).toEqual(['1000 Kyiv', '1001 Łódź', '1002 Graz'])
})
