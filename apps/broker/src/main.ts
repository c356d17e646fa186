/** The `millrace` command: arguments in, exit code out. Everything else is loaded when it is needed. */
import { runCommand } from './cli/run-command.ts'

void runCommand(process.argv).then((code) => {
  process.exitCode = code
})
