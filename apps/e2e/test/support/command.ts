/** The `millrace` command in a process of its own, with streams for much input and output. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { millrace } from './broker.ts'

export interface CommandResult {
  readonly code: number | null
  readonly stderr: string
}

export interface CommandStreams {
  /** Written to its standard input, with back-pressure. */
  readonly input?: Iterable<Uint8Array>
  /** Takes what it writes to standard output. */
  readonly onOutput?: (chunk: Buffer) => void
}

export const runMillrace = async (
  url: string,
  args: readonly string[],
  { input, onOutput }: CommandStreams = {},
): Promise<CommandResult> => {
  const child = spawn(process.execPath, [millrace, ...args, '--url', url], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout?.on('data', (chunk: Buffer) => onOutput?.(chunk))
  const closed = once(child, 'close') as Promise<[number | null]>
  if (input !== undefined && child.stdin !== null) {
    const { stdin } = child
    // A command that ends early closes its input: its exit code and text say why.
    stdin.on('error', () => undefined)
    for (const chunk of input) {
      if (!stdin.writable) break
      if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain'), closed])
    }
    stdin.end()
  }
  const [code] = await closed
  return { code, stderr }
}
