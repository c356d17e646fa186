/** Before something is gone for good. */
import { createInterface } from 'node:readline/promises'
import { CommandError } from './failure.ts'

/** A script says what it means; a person is asked. */
export const confirm = async (question: string, isSure: boolean): Promise<void> => {
  if (isSure || !process.stdin.isTTY || !process.stderr.isTTY) return
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await prompt.question(`${question} [y/N] `)
  prompt.close()
  if (/^y(es)?$/i.test(answer.trim())) return
  throw new CommandError('nothing was deleted', 'answer y, or give --yes')
}
