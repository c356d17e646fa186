/** What goes in and out of the client programs: records as JSON. */
import { readFileSync } from 'node:fs'

export const readInput = () => JSON.parse(readFileSync(0, 'utf8'))

export const writeTopic = (topic, records) =>
  process.stdout.write(`${JSON.stringify({ topic, records })}\n`)
