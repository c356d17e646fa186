/** Names and values under each other, as `describe` prints them. */
import { formatJson, formatJsonLines, type OutputForm } from './output.ts'

const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)

export const formatFacts = (facts: Readonly<Record<string, unknown>>): string => {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined)
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}\n`).join('')
}

/** One answer in the form that was asked for; as text where that is for people. */
export const printAnswer = (
  answer: object,
  output: OutputForm | undefined,
  text: () => string,
): void => {
  if (output === 'json') process.stdout.write(formatJson(answer))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([answer]))
  else process.stdout.write(text())
}

export const printList = (
  items: readonly object[],
  output: OutputForm | undefined,
  text: () => string,
): void => {
  if (output === 'json') process.stdout.write(formatJson(items))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines(items))
  else process.stdout.write(text())
}
