/** What goes in and out of the client programs: records as JSON. */
import { readFileSync } from 'node:fs'

/** How long a poll waits at most: longer than any test does. */
export const POLL_MS = 30_000

const CHUNK_COUNT = 100

/** What is sent at once. */
export const chunksOf = (messages) => {
  const chunks = []
  for (let at = 0; at < messages.length; at += CHUNK_COUNT) {
    chunks.push(messages.slice(at, at + CHUNK_COUNT))
  }
  return chunks
}

export const readInput = () => JSON.parse(readFileSync(0, 'utf8'))

export const writeTopic = (topic, records) =>
  process.stdout.write(`${JSON.stringify({ topic, records })}\n`)
