/** `millrace version`. */
import { readVersion } from '../../version.ts'
import { formatJson, formatJsonLines } from '../output.ts'

export const printVersion = ({ output }: { output?: string }): void => {
  const content = { version: readVersion(), node: process.version, platform: process.platform }
  if (output === 'json') process.stdout.write(formatJson(content))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([content]))
  else process.stdout.write(`millrace ${content.version} (node ${content.node})\n`)
}
