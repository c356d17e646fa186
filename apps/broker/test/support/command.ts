/** Runs the built command, as a shell would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const command = join(__dirname, '../../bin/millrace.js')

const running = new Set<ChildProcess>()

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly input?: string | Buffer
  readonly env?: Record<string, string>
}

export const spawnCommand = (
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcess => {
  if (!existsSync(join(__dirname, '../../dist/main.js'))) {
    throw new Error('the command is not built: run `npx tsc -b apps/broker` first')
  }
  const child = spawn(process.execPath, [command, ...args], {
    env: { ...process.env, NO_COLOR: '1', MILLRACE_URL: '', ...env },
  })
  running.add(child)
  child.on('close', () => running.delete(child))
  return child
}

/** A test that failed half way must not leave a broker behind. */
export const killLeftOvers = (): void => {
  for (const child of running) child.kill('SIGKILL')
}

export const resultOf = (child: ChildProcess): Promise<CommandResult> =>
  new Promise((resolve) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('close', (code) =>
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    )
  })

export const run = (
  args: readonly string[],
  { input, env }: CommandOptions = {},
): Promise<CommandResult> => {
  const child = spawnCommand(args, env)
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input ?? '')
  return resultOf(child)
}

export const temporary = async (): Promise<{ path: string; remove: () => Promise<void> }> => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-command-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}
