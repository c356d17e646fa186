/** Commands as a person types them: `bash` in the root of the repository, output collected. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

export const repositoryRoot = join(import.meta.dirname, '..', '..', '..', '..')

export interface ShellResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Fails on the first failing command, also inside a pipe. */
export const runShell = (script: string, env: NodeJS.ProcessEnv): Promise<ShellResult> =>
  new Promise((resolve, reject) => {
    const child = spawn('bash', ['-eu', '-o', 'pipefail', '-c', script], {
      cwd: repositoryRoot,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...output }))
  })

export const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null
