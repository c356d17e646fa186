/** The example of the README runs as it stands, on the real disk, and prints what it wrote. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as codec from '@millrace/codec'
import { temporaryDirectory } from '@millrace/testing'
import * as core from '../src/index.ts'

const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
const example = /```js\n([^]*?)```/.exec(readme)?.[1] ?? ''

const AsyncFunction = (async () => undefined).constructor as new (
  ...words: string[]
) => (...values: unknown[]) => Promise<void>

it('runs the example of the README, twice', async () => {
  const imports = [...example.matchAll(/import \{([^}]*)\} from '(@millrace\/\w+)'/g)]
  const names = imports.flatMap((match) => match[1]?.match(/\w+/g) ?? [])
  const known: Record<string, unknown> = { ...codec, ...core }
  expect(names.filter((name) => !(name in known))).toEqual([])
  const body = example.replace(/import [^]*? from '[^']*'\n/g, '')
  const scratch = await temporaryDirectory('millrace-core-')
  const printed: string[] = []
  const console = { log: (...words: unknown[]) => printed.push(words.join(' ')) }
  const process = { env: { DATA_DIRECTORY: scratch.path } }
  const run = new AsyncFunction('console', 'process', ...names, body)
  for (let life = 0; life < 2; life++)
    await run(console, process, ...names.map((name) => known[name]))
  await scratch.remove()
  expect(printed).toEqual(['0 the first order', '1 the first order'])
})
