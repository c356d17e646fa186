/**
 * The stranger's client: written in Python from docs/protocol.md alone, by somebody who had not seen
 * our code. What it cannot do, another language cannot do either.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { debianPython } from './support/debian-python.ts'
import { report } from './support/depth.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { repositoryRoot } from './support/shell.ts'

const CHECKS_MIN = 300
const directory = join(repositoryRoot, 'apps', 'e2e', 'python')

jest.setTimeout(180_000)

let scratch: Scratch
let broker: LaunchedBroker

beforeAll(async () => {
  if (!existsSync(debianPython)) {
    throw new Error('python3 is missing: run `sudo apt-get install python3 python3-msgpack`')
  }
  scratch = createScratch('stranger')
  const env = { MILLRACE_TOPICS__AUTO_CREATE: 'true' }
  broker = await launchBroker({ dataDir: scratch.next('data'), env })
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

const python = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(debianPython, ['-B', ...args], { cwd: directory, encoding: 'utf8', timeout: 170_000 })

interface StrangerResult {
  readonly passed: number
  readonly failed: number
  readonly failures: readonly string[]
}

test('a client written from the protocol document alone agrees with the broker in everything', () => {
  const { status, stdout, stderr } = python('stranger.py', '127.0.0.1', String(broker.nativePort))
  expect({ isPrinted: stdout.trim() !== '', stderr }).toEqual({ isPrinted: true, stderr: '' })
  const result = JSON.parse(stdout) as StrangerResult
  report(`the stranger's client: ${result.passed} checks passed, ${result.failed} failed`)
  expect({ status, failures: result.failures }).toEqual({ status: 0, failures: [] })
  expect(result.passed).toBeGreaterThan(CHECKS_MIN)
  expect(broker.stdout()).not.toMatch(/internal-error/)
  expect(broker.hasEnded()).toBe(false)
})

test('its codec agrees with the bytes that the document prints', () => {
  const { status, stderr } = python('-m', 'unittest', 'test_client')
  const [, count] = /^Ran (\d+) tests?/m.exec(stderr) ?? []
  report(`the stranger's codec: ${count ?? 'no'} tests`)
  expect({ status, isOk: stderr.trimEnd().endsWith('OK') }).toEqual({ status: 0, isOk: true })
  expect(Number(count)).toBeGreaterThan(0)
})
