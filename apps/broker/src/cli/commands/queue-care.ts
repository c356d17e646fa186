/** `millrace queue peek|purge|move|replay`: the messages of a queue as a whole. */
import { parseDuration } from '../../config/units.ts'
import { confirm } from '../confirm.ts'
import { printAnswer } from '../facts.ts'
import { UsageError } from '../failure.ts'
import type { OutputForm } from '../output.ts'
import { writeOut } from '../output.ts'
import { formatQueuedLine, formatQueuedPayload } from '../queue-message-format.ts'
import { parsePlace } from '../targets.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

interface CareOptions extends ClientOptions {
  readonly output?: OutputForm
}

const PEEK_MAX = 1_000

export const peekQueue = async (
  name: string,
  options: ClientOptions & { count: number; output?: 'text' | 'jsonl' },
): Promise<void> => {
  const { count, output } = options
  if (count > PEEK_MAX)
    throw new UsageError(`--count ${count} is too many`, `look at ${PEEK_MAX} at most`)
  const messages = await withClient(options, (client) =>
    client.queue<Uint8Array>(name, { codec: 'bytes' }).peek({ count }),
  )
  const format = output === 'jsonl' ? formatQueuedLine : formatQueuedPayload
  for (const message of messages) await writeOut(format(message))
}

export const purgeQueue = async (
  name: string,
  options: CareOptions & { yes?: boolean },
): Promise<void> => {
  await confirm(`Remove all messages that wait in ${name}?`, options.yes === true)
  const messages = await withClient(options, (client) => client.queue(name).purge())
  const answer = { queue: name, messages }
  printAnswer(answer, options.output, () => `removed ${messages} messages from ${name}\n`)
}

const destinationOf = (text: string): { exchange: string; routingKey?: string } => {
  const target = parsePlace(text)
  if (target.kind === 'queue') return { exchange: '', routingKey: target.name }
  if (target.kind === 'topic')
    throw new UsageError(
      'messages are moved to a queue or an exchange',
      'bind an exchange to the topic, and move them there',
    )
  const { name: exchange, routingKey } = target
  return routingKey === undefined ? { exchange } : { exchange, routingKey }
}

export const moveMessages = async (
  name: string,
  target: string,
  options: CareOptions & { count?: number },
): Promise<void> => {
  const { exchange, routingKey } = destinationOf(target)
  const { count } = options
  const messages = await withClient(options, (client) =>
    client.queue(name).move(exchange, {
      ...(routingKey === undefined ? {} : { routingKey }),
      ...(count === undefined ? {} : { count }),
    }),
  )
  const answer = { queue: name, target, messages }
  printAnswer(answer, options.output, () => `moved ${messages} messages to ${target}\n`)
}

/** A moment, or how long ago. */
const momentOf = (text: string): Date => {
  const agoMs = parseDuration(text)
  if (agoMs !== undefined && /[a-z]$/.test(text)) return new Date(Date.now() - agoMs)
  const date = /^\d{4}-\d{2}/.test(text) ? new Date(text) : undefined
  if (date !== undefined && !Number.isNaN(date.getTime())) return date
  const next = 'write a time such as 2026-01-31T12:00:00Z, or how long ago: 1h'
  throw new UsageError(`--since '${text}' is no time`, next)
}

export const replayQueue = async (
  name: string,
  options: CareOptions & { since: string },
): Promise<void> => {
  const since = momentOf(options.since)
  const messages = await withClient(options, (client) => client.queue(name).replay(since))
  const answer = { queue: name, since: since.toISOString(), messages }
  printAnswer(answer, options.output, () => `${messages} messages of ${name} are ready again\n`)
}
