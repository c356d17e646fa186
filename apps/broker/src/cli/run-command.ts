/**
 * Runs one command line and says how it ended: 0 as asked, 1 it failed, 2 it was asked wrongly.
 * Errors go to standard error and name cause and next step.
 */
import type { CommanderError } from 'commander'
import { describeFailure } from './failure.ts'
import { createProgram } from './program.ts'

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

export const runCommand = async (argv: readonly string[]): Promise<number> => {
  quietOnClosedPipe()
  const program = createProgram()
  try {
    await program.parseAsync([...argv])
    return Number(process.exitCode ?? EXIT_OK)
  } catch (error) {
    if (isCommanderError(error)) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    const failure = describeFailure(error)
    process.stderr.write(failure.text)
    return failure.isUsage ? EXIT_USAGE : EXIT_FAILURE
  }
}

const isCommanderError = (error: unknown): error is CommanderError =>
  typeof error === 'object' && error !== null && 'exitCode' in error && 'code' in error

/** `millrace sub … | head`: whoever read us has enough, and that is no failure. */
const quietOnClosedPipe = (): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE)
  })
  process.stderr.on('error', () => process.exit(EXIT_FAILURE))
}
