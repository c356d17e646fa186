/**
 * Compares what two brokers answered in a conversation, frame by frame and field by field. Before that
 * it takes out what must differ: generated names, timestamps, server-properties, and the order between
 * consumers.
 */
import { isDeepStrictEqual } from 'node:util'
import type { StepResult } from './conversation.ts'
import type { Received } from './raw-client.ts'

/** One field of one frame, or `frames` when other frames came. */
export interface Difference {
  readonly conversation: string
  /** `channel.close.replyText` */
  readonly field: string
  readonly step: string
  readonly left: unknown
  readonly right: unknown
}

const GENERATED = /amq\.(gen|ctag|rabbitmq\.reply-to)[-.][\w\-.+/=*]+/g

/** The same number for the same name, in the order in which they came. */
class Names {
  readonly #numbers = new Map<string, number>()
  readonly #suffix: string

  constructor(suffix: string) {
    this.#suffix = suffix
  }

  replaceIn(text: string): string {
    return text.replaceAll(this.#suffix, '').replace(GENERATED, (name, kind: string) => {
      const number = this.#numbers.get(name) ?? this.#numbers.size + 1
      this.#numbers.set(name, number)
      return `amq.${kind}-#${number}`
    })
  }
}

const normalise = (value: unknown, names: Names): unknown => {
  if (typeof value === 'string') return names.replaceIn(value)
  if (Buffer.isBuffer(value)) return names.replaceIn(value.toString('latin1'))
  if (Array.isArray(value)) return value.map((one) => normalise(one, names))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, normaliseEntry(key, one, names)]),
  )
}

const normaliseEntry = (key: string, value: unknown, names: Names): unknown => {
  if (key === 'serverProperties') return 'server properties'
  // Of x-death: the wall clock of the broker.
  if (key === 'time' && typeof (value as { T?: unknown })?.T === 'number') return 'a time'
  return normalise(value, names)
}

type Frame = Received & { readonly connection: string; readonly step: string }

/**
 * Frames of the whole conversation by channel, since there is no order between channels, and none
 * between a step and what it makes a queue do.
 */
const byChannel = (results: readonly StepResult[]): Map<string, Frame[]> => {
  const groups = new Map<string, Frame[]>()
  results.forEach(({ step, frames }, index) => {
    for (const frame of frames) {
      const key = `${frame.connection}${frame.channel}`
      const group = groups.get(key) ?? []
      group.push({ ...frame, step: `${index + 1}. ${step}` })
      groups.set(key, group)
    }
  })
  return groups
}

const isDelivery = (frame: Frame | undefined): boolean => frame?.name === 'basic.deliver'

/** Deliveries that came in one go, by consumer: there is no order between consumers. */
const sortDeliveries = (frames: readonly Frame[]): Frame[] => {
  const tagOf = ({ fields }: Frame): string => String(fields['consumerTag'])
  const sorted: Frame[] = []
  for (let at = 0; at < frames.length;) {
    let end = at + 1
    while (isDelivery(frames[at]) && isDelivery(frames[end])) end++
    const run = frames.slice(at, end)
    sorted.push(...run.sort((one, other) => tagOf(one).localeCompare(tagOf(other))))
    at = end
  }
  return sorted
}

const differencesOf = (
  path: string,
  left: unknown,
  right: unknown,
): [string, unknown, unknown][] => {
  if (isDeepStrictEqual(left, right)) return []
  const isPlain = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isPlain(left) || !isPlain(right)) return [[path, left, right]]
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return keys.flatMap((key) => differencesOf(`${path}.${key}`, left[key], right[key]))
}

const nameOf = (frame: Frame | undefined): string => {
  if (frame === undefined) return 'nothing'
  return frame.name.endsWith('.close')
    ? `${frame.name} ${String(frame.fields['replyCode'])}`
    : frame.name
}

const namesFrom = (frames: readonly Frame[], at: number): string =>
  [at, at + 1, at + 2].map((index) => nameOf(frames[index])).join(', ')

/** Up to the first frame that is another: after it, nothing can be told. */
const compareChannel = (
  conversation: string,
  left: readonly Frame[],
  right: readonly Frame[],
): Difference[] => {
  const found: Difference[] = []
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]]
    const { step, channel } = (one ?? other) as Frame
    const where = `${step} (channel ${channel})`
    if (one === undefined || other === undefined || nameOf(one) !== nameOf(other)) {
      const [from, to] = [namesFrom(left, at), namesFrom(right, at)]
      return [...found, { conversation, field: 'frames', step: where, left: from, right: to }]
    }
    const of = ({ fields, content }: Frame): object => ({ ...fields, content })
    for (const [field, from, to] of differencesOf(one.name, of(one), of(other))) {
      found.push({ conversation, field, step: where, left: from, right: to })
    }
  }
  return found
}

export interface Side {
  readonly results: readonly StepResult[]
  /** Of its own names. */
  readonly suffix: string
}

const normalised = ({ results, suffix }: Side): StepResult[] => {
  const names = new Names(suffix)
  return results.map(({ step, frames }) => ({
    step,
    frames: normalise(frames, names) as StepResult['frames'],
  }))
}

export const compare = (conversation: string, left: Side, right: Side): Difference[] => {
  const [lefts, rights] = [byChannel(normalised(left)), byChannel(normalised(right))]
  const channels = [...new Set([...lefts.keys(), ...rights.keys()])].sort()
  return channels.flatMap((channel) => {
    const [one, other] = [lefts.get(channel) ?? [], rights.get(channel) ?? []]
    return compareChannel(conversation, sortDeliveries(one), sortDeliveries(other))
  })
}

/** A difference that is meant. */
export interface AllowedDifference {
  /** The conversation's name, or what its name matches. */
  readonly conversation: string | RegExp
  /** As in the difference: `frames`, or the name of a method and a field. */
  readonly field: string
  readonly reason: string
}

export const allows = (allowed: AllowedDifference, difference: Difference): boolean =>
  allowed.field === difference.field &&
  (typeof allowed.conversation === 'string'
    ? allowed.conversation === difference.conversation
    : allowed.conversation.test(difference.conversation))
