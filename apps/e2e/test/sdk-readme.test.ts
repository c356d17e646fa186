/** The programs in the READMEs of the SDK do what they say, each in a process of its own. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { repositoryRoot } from './support/shell.ts'

const run = promisify(execFile)

let scratch: Scratch
let broker: LaunchedBroker

beforeAll(async () => {
  scratch = createScratch('sdk-readme')
  broker = await launchBroker({
    dataDir: scratch.next('data'),
    env: { MILLRACE_TOPICS__AUTO_CREATE: 'true' },
  })
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

const programsOf = (name: string): string[] => {
  const text = readFileSync(join(repositoryRoot, 'packages', name, 'README.md'), 'utf8')
  return [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, program]) => program as string)
}

const outputOf = async (program: string | undefined): Promise<string> => {
  const { stdout, stderr } = await run(
    process.execPath,
    ['--input-type=module', '--eval', program ?? 'missing'],
    { cwd: join(repositoryRoot, 'apps', 'e2e'), env: { ...process.env, MILLRACE_URL: broker.url } },
  )
  expect(stderr).toBe('')
  return stdout
}

test('client-node: send and read', async () => {
  const [first] = programsOf('client-node')
  expect(await outputOf(first)).toMatch(/^stored at \d\/0\n0 anna \{ total: 12\.5 \}\n$/)
})

test('client-node: a typed topic', async () => {
  const [, second] = programsOf('client-node')
  expect(await outputOf(second)).toMatch(/^ERR_PAYLOAD_CODEC .*total: must be a number\n0 12\.5\n$/)
})

test('client-node: a queue', async () => {
  const [, , third] = programsOf('client-node')
  expect(await outputOf(third)).toBe('taken by 1\neu.new { id: 7 }\n')
})

test('examples/worker.mjs: every job is done, or ends with the failed ones', async () => {
  const program = join(repositoryRoot, 'examples', 'worker.mjs')
  const env = { ...process.env, MILLRACE_URL: broker.url }
  const { stdout, stderr } = await run(process.execPath, [program, '4'], { env })
  expect(stderr).toBe('')
  for (const number of [1, 2, 4]) expect(stdout).toContain(`job ${number} is done\n`)
  expect(stdout.match(/job 3 never works/g)).toHaveLength(3)
  expect(stdout).toMatch(/\(attempt 3, given up\)\n[^]*1 in failed-jobs\n$/)
})

test('client-core: what connect does', async () => {
  const [only] = programsOf('client-core')
  expect(await outputOf(only)).toMatch(/^\{ name: 'millrace', version: '.*' \}\n$/)
})
