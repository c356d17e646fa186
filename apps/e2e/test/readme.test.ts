/** What the README tells a newcomer to type works, in the order it is told, and prints what it says. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory, type TemporaryDirectory } from '@millrace/testing'
import {
  codeBlocksOf,
  matchesExpectation,
  runnableBlocksOf,
  type RunnableBlock,
} from './support/code-blocks.ts'
import { npmStart, type StartedBroker } from './support/npm-start.ts'
import { repositoryRoot, runShell } from './support/shell.ts'

const inRepository = (name: string): Promise<string> => readFile(join(repositoryRoot, name), 'utf8')

/** The README's data directory and address, replaced by those of this run. */
const relocated = (code: string, dataDir: string, broker: StartedBroker | undefined): string =>
  code
    .replaceAll('./.millrace', dataDir)
    .replaceAll('http://127.0.0.1:7421', broker?.httpUrl ?? 'http://127.0.0.1:7421')
    .replaceAll('127.0.0.1:9092', broker?.kafkaAddress ?? '127.0.0.1:9092')
    .replaceAll('amqp://127.0.0.1', broker?.amqpUrl ?? 'amqp://127.0.0.1')

describe('README.md', () => {
  let scratch: TemporaryDirectory
  let dataDir: string
  let broker: StartedBroker | undefined

  beforeAll(async () => {
    scratch = await temporaryDirectory('millrace-readme-')
    dataDir = join(scratch.path, 'data')
  })

  afterAll(async () => {
    await broker?.stop()
    await scratch.remove()
  })

  const follow = async ({ line, code, expected }: RunnableBlock): Promise<void> => {
    if (code === 'npm start') {
      broker = await npmStart(dataDir)
      return
    }
    const env = { MILLRACE_URL: broker?.url }
    const { code: exit, stdout, stderr } = await runShell(relocated(code, dataDir, broker), env)
    if (exit !== 0) throw new Error(`README.md:${line} exits with ${exit}:\n${stdout}${stderr}`)
    if (expected !== undefined && !matchesExpectation(stdout, expected)) {
      throw new Error(`README.md:${line} should print\n${expected}\nand printed\n${stdout}`)
    }
    if (code.includes('kill -9')) await broker?.ended
  }

  it('has commands that run as written and print what it shows', async () => {
    const blocks = runnableBlocksOf(codeBlocksOf(await inRepository('README.md')))
    expect(blocks.filter((block) => block.code === 'npm start').length).toBeGreaterThanOrEqual(2)
    expect(blocks.filter((block) => block.expected !== undefined).length).toBeGreaterThan(2)
    for (const block of blocks) await follow(block)
  }, 600_000)

  it('shows programs as they stand in the repository', async () => {
    const programs = codeBlocksOf(await inRepository('README.md')).filter(
      (block) => block.language === 'js',
    )
    expect(programs.length).toBeGreaterThan(0)
    for (const { code, line } of programs) {
      const name = /^\/\/ (\S+)/.exec(code)?.[1] ?? ''
      expect(`README.md:${line} ${(await inRepository(name)).trimEnd()}`).toBe(
        `README.md:${line} ${code}`,
      )
    }
  })
})

describe('the blocks of a document', () => {
  it('are taken by language, with what they print', () => {
    const document = '```sh\na\nb\n```\n\n```text\n1\n```\n```console\n$ no\n```\n```sh\nc\n```\n'
    expect(runnableBlocksOf(codeBlocksOf(document))).toEqual([
      { line: 2, code: 'a\nb', expected: '1' },
      { line: 13, code: 'c', expected: undefined },
    ])
  })

  it('match what was printed line by line, with … for any text', () => {
    expect(matchesExpectation('at 17 (x)\nend\n', 'at … (x)\nend')).toBe(true)
    expect(matchesExpectation('at 17\nmore\nend\n', 'at …\nend')).toBe(false)
    expect(matchesExpectation('aXb', 'a.b')).toBe(false)
  })
})
