/**
 * Each rule of the house refuses a small piece of bad code, and lets the good one by. A rule that
 * nothing can break is not a rule.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { ESLint } from 'eslint'

/** Under CI the parser would take the file from the disk, not the text that it is given. */
process.env.TSESTREE_SINGLE_RUN = 'false'

const root = join(import.meta.dirname, '..', '..')
const eslint = new ESLint({ cwd: root })

const core = 'packages/core/src/index.ts'
const codec = 'packages/codec/src/index.ts'
const protocol = 'packages/protocol/src/index.ts'
const clientCore = 'packages/client-core/src/index.ts'
const clientNode = 'packages/client-node/src/index.ts'
const broker = 'apps/broker/src/index.ts'
const coreEnvironment = 'packages/core/src/environment/node-environment.ts'
/** Tests are matched by their path alone, so any test that exists will do. */
const aTest = 'packages/codec/test/errors-document.test.ts'

const rulesBrokenBy = async (file, code) => {
  const [result] = await eslint.lintText(code, { filePath: join(root, file) })
  const fatal = result.messages.find((message) => message.fatal)
  assert.equal(fatal, undefined, fatal?.message)
  return result.messages.map((message) => message.ruleId)
}

const refuses = (rule, file, code) =>
  it(`${rule} refuses in ${file}: ${code.split('\n')[0].slice(0, 70)}`, async () => {
    const broken = await rulesBrokenBy(file, code)
    assert.ok(broken.includes(rule), `broken: ${broken.join(', ') || 'nothing'}`)
  })

const allows = (rule, file, code) =>
  it(`${rule} allows in ${file}: ${code.split('\n')[0].slice(0, 70)}`, async () => {
    const broken = await rulesBrokenBy(file, code)
    assert.ok(!broken.includes(rule), `broken: ${broken.join(', ')}`)
  })

const imports = (name) => `import * as all from '${name}'\nexport const used = all\n`

before(() => {
  const nx = join(root, 'node_modules', 'nx', 'dist', 'bin', 'nx.js')
  execFileSync(process.execPath, [nx, 'show', 'projects'], {
    cwd: root,
    env: { ...process.env, NX_DAEMON: 'false' },
  })
})

describe('module boundaries', () => {
  const rule = '@nx/enforce-module-boundaries'
  refuses(rule, codec, imports('@millrace/protocol'))
  refuses(rule, codec, imports('@millrace/core'))
  refuses(rule, protocol, imports('@millrace/core'))
  refuses(rule, protocol, imports('@millrace/client-core'))
  refuses(rule, core, imports('@millrace/protocol'))
  refuses(rule, core, imports('@millrace/client-node'))
  refuses(rule, core, imports('@millrace/testing'))
  refuses(rule, core, imports('@millrace/broker'))
  refuses(rule, clientCore, imports('@millrace/core'))
  refuses(rule, clientCore, imports('@millrace/client-node'))
  refuses(rule, clientNode, imports('@millrace/core'))
  refuses(rule, broker, imports('@millrace/testing'))
  refuses(rule, core, imports('../../codec/src/index.ts'))
  refuses(rule, core, imports('msgpackr'))
  allows(rule, core, imports('@millrace/codec'))
  allows(rule, clientCore, imports('@millrace/protocol'))
  allows(rule, clientNode, imports('@millrace/client-core'))
  allows(rule, broker, imports('@millrace/core'))
  allows(rule, aTest, imports('@millrace/testing'))
})

describe('packages that run anywhere', () => {
  for (const file of [codec, protocol, clientCore]) {
    refuses('no-restricted-imports', file, imports('node:fs'))
    refuses('no-restricted-imports', file, imports('buffer'))
    refuses('no-restricted-imports', file, imports('node:path'))
    refuses('no-restricted-globals', file, 'export const bytes = Buffer.alloc(1)\n')
    refuses('no-restricted-globals', file, 'export const { pid } = process\n')
    refuses('no-restricted-globals', file, 'export const bytes = globalThis.Buffer.alloc(1)\n')
    refuses('no-restricted-syntax', file, "export const fs = import('node:fs')\n")
  }
})

describe('below the environment', () => {
  for (const file of [core, codec, protocol, clientCore]) {
    refuses('no-restricted-syntax', file, 'export const now = Date.now()\n')
    refuses('no-restricted-syntax', file, "export const now = Date['now']()\n")
    refuses('no-restricted-syntax', file, 'export const { now } = Date\n')
    refuses('no-restricted-syntax', file, 'export const now = new Date()\n')
    refuses('no-restricted-syntax', file, 'export const now = Date()\n')
    refuses('no-restricted-syntax', file, 'export const chance = Math.random()\n')
    refuses('no-restricted-syntax', file, 'export const signal = AbortSignal.timeout(1)\n')
    refuses('no-restricted-globals', file, 'export const timer = setTimeout(() => {}, 1)\n')
    refuses('no-restricted-globals', file, 'export const timer = setInterval(() => {}, 1)\n')
    refuses('no-restricted-globals', file, 'export const timer = setImmediate(() => {})\n')
    refuses('no-restricted-globals', file, 'export const now = performance.now()\n')
    refuses('no-restricted-globals', file, 'export const now = globalThis.performance.now()\n')
    refuses('no-restricted-globals', file, 'export const id = crypto.randomUUID()\n')
    refuses('no-restricted-imports', file, imports('node:fs/promises'))
    refuses('no-restricted-imports', file, imports('fs'))
    refuses('no-restricted-imports', file, imports('node:net'))
    refuses('no-restricted-imports', file, imports('node:timers/promises'))
    refuses('no-restricted-imports', file, imports('node:crypto'))
    refuses('no-restricted-imports', file, imports('node:sqlite'))
    allows('no-restricted-syntax', file, 'export const day = new Date(0).toISOString()\n')
    allows('no-restricted-globals', file, 'queueMicrotask(() => {})\n')
  }
  allows('no-restricted-imports', core, imports('node:assert'))
  allows('no-restricted-imports', coreEnvironment, imports('node:fs'))
  allows('no-restricted-syntax', coreEnvironment, 'export const now = Date.now()\n')
})

describe('a neutral core', () => {
  refuses('no-restricted-syntax', core, 'export const mqttTopic = 1\n')
  refuses('no-restricted-syntax', core, 'export interface Queue { qos: number }\n')
  allows('no-restricted-syntax', broker, 'export const mqttTopic = 1\n')
})

describe('promises and types', () => {
  const promise = 'const later = async (): Promise<void> => {}\n'
  refuses('@typescript-eslint/no-floating-promises', core, `${promise}later()\n`)
  refuses(
    '@typescript-eslint/no-misused-promises',
    core,
    `${promise}export const call = (f: () => void): void => f()\ncall(later)\n`,
  )
  refuses(
    '@typescript-eslint/await-thenable',
    core,
    'export const f = async (): Promise<void> => { await 1 }\n',
  )
  refuses(
    '@typescript-eslint/switch-exhaustiveness-check',
    core,
    "export const f = (s: 'a' | 'b'): number => { switch (s) { case 'a': return 1 }\nreturn 0 }\n",
  )
  refuses('@typescript-eslint/explicit-module-boundary-types', core, 'export const f = () => 1\n')
  refuses(
    '@typescript-eslint/consistent-type-imports',
    core,
    "import { ErrorCode } from '@millrace/codec'\nexport const code: ErrorCode = 'ERR_BUSY'\n",
  )
  refuses('@typescript-eslint/no-explicit-any', core, 'export const f = (x: any): void => void x\n')
})

describe('shape', () => {
  const lines = (count) => 'export {}\n'.repeat(count)
  const steps = (count) => '  void 0\n'.repeat(count)
  const branches = (count) => '  if (n > 0) return n\n'.repeat(count)
  const body = (text) => `export const f = (n: number): number => {\n${text}  return n\n}\n`
  refuses('max-lines', core, lines(501))
  allows('max-lines', core, lines(500))
  refuses('max-lines', aTest, lines(801))
  allows('max-lines', aTest, lines(800))
  refuses('max-lines-per-function', core, body(steps(68)))
  allows('max-lines-per-function', core, body(steps(67)))
  refuses('complexity', core, body(branches(15)))
  allows('complexity', core, body(branches(14)))
  refuses('no-console', core, 'console.log(1)\n')
  allows('no-console', broker, 'console.log(1)\n')
  refuses('no-restricted-syntax', core, 'export default 1\n')
  refuses('no-restricted-syntax', core, "export * from './engine/operations.ts'\n")
  refuses(
    'no-restricted-syntax',
    core,
    "import { BrokerError } from '@millrace/codec'\nexport const is = (e: unknown): boolean => e instanceof BrokerError\n",
  )
})

describe('what ESLint recommends', () => {
  refuses('no-empty', core, 'try { void 0 } catch {}\n')
  refuses('no-constant-condition', core, 'if (true) void 0\n')
  allows('no-constant-condition', core, 'export const f = (): void => { while (true) return }\n')
  refuses(
    'preserve-caught-error',
    core,
    "try { void 0 } catch (error) { throw new Error('it failed') }\n",
  )
})

describe('tests and exceptions', () => {
  refuses('no-restricted-syntax', aTest, "it.skip('later', () => {})\n")
  refuses('no-restricted-syntax', aTest, "describe.only('this', () => {})\n")
  refuses('no-restricted-syntax', aTest, "xit('later', () => {})\n")
  allows('no-restricted-syntax', aTest, "it.each([1])('now %d', () => {})\n")
  const console = 'console.log(1)\n'
  refuses('millrace/explained-disable', core, `// eslint-disable-next-line no-console\n${console}`)
  allows(
    'millrace/explained-disable',
    core,
    `// eslint-disable-next-line no-console -- shown before the log exists\n${console}`,
  )
})
