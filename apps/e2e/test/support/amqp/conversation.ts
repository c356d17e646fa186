/**
 * Conversations with a broker, as data: what a client sends, step by step. Running one gives the frames
 * that came after each step. Names that begin with `~` are the conversation's own.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { eventually } from '../eventually.ts'
import { type Handshake, RawClient, type Received } from './raw-client.ts'
import type { Fields } from './wire.ts'

export interface MethodStep {
  readonly kind: 'method'
  readonly connection: string
  readonly channel: number
  readonly name: string
  readonly fields: Fields
  readonly content?: { readonly properties?: Fields; readonly body: Buffer }
}

export type Step =
  | MethodStep
  /** Bytes as they are. */
  | { readonly kind: 'bytes'; readonly connection: string; readonly bytes: Buffer }
  /** One more connection, logged in and with channel 1; with `bare` only a socket. */
  | {
      readonly kind: 'connect'
      readonly connection: string
      readonly handshake?: Handshake
      readonly isBare?: boolean
    }
  /** Ends the connection without a word. */
  | { readonly kind: 'drop'; readonly connection: string }
  /** Time that must pass, for what comes of age. */
  | { readonly kind: 'pause'; readonly ms: number }
  /** From now on nothing is answered by itself. */
  | { readonly kind: 'rude' }

export interface Conversation {
  readonly name: string
  readonly steps: readonly Step[]
  /** Connection `a` is there from the beginning, unless it is bare. */
  readonly isBare: boolean
}

/** What came after a step, of all connections. */
export interface StepResult {
  readonly step: string
  readonly frames: readonly (Received & { readonly connection: string })[]
}

const ANSWER_WITHIN_MS = 10_000

const synchronous = new Set(
  `connection.open connection.close connection.update-secret channel.open channel.close channel.flow
  exchange.declare exchange.delete exchange.bind exchange.unbind queue.declare queue.bind queue.purge
  queue.delete queue.unbind basic.qos basic.consume basic.cancel basic.get basic.recover
  confirm.select tx.select tx.commit tx.rollback`.split(/\s+/),
)

const asynchronous = new Set(
  ['publish', 'ack', 'nack', 'reject', 'recover-async'].map((name) => `basic.${name}`),
)

const isAnswer = (to: MethodStep, one: Received): boolean =>
  one.name === `${to.name}-ok` ||
  (to.name === 'basic.get' && one.name === 'basic.get-empty') ||
  /\.close$|^end$/.test(one.name)

/** Strings that begin with `~` get the suffix, wherever they are. */
const named = (value: unknown, suffix: string): unknown => {
  if (typeof value === 'string') return value.startsWith('~') ? `${value.slice(1)}${suffix}` : value
  if (Array.isArray(value)) return value.map((one) => named(one, suffix))
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, named(one, suffix)]))
}

/** Publications of a channel that the broker is to confirm. */
interface Confirms {
  published: number
}

const isConfirm = ({ name }: Received): boolean => name === 'basic.ack' || name === 'basic.nack'

class Running {
  readonly #confirms = new Map<string, Confirms>()
  /** Channels that are open for certain. */
  readonly #open = new Set<string>()
  readonly #clients = new Map<string, RawClient>()
  readonly #port: number
  readonly #suffix: string
  readonly #quietMs: number
  #isPolite = true

  constructor(port: number, suffix: string, quietMs: number) {
    this.#port = port
    this.#suffix = suffix
    this.#quietMs = quietMs
  }

  async step(step: Step): Promise<StepResult['frames']> {
    const began = performance.now()
    await this.#do(step)
    if (step.kind === 'method') {
      await this.#answer(step)
      await this.#passed(step)
      await this.#confirmed(step)
    }
    await this.#quiet(began)
    return this.#taken()
  }

  end(): void {
    for (const client of this.#clients.values()) client.destroy()
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'connect':
        return this.#connect(step.connection, step.handshake, step.isBare)
      case 'bytes':
        return this.#of(step.connection).send(step.bytes)
      case 'drop':
        return this.#of(step.connection).destroy()
      case 'pause':
        return delay(step.ms)
      case 'rude':
        for (const client of this.#clients.values()) client.isPolite = false
        this.#isPolite = false
        return
      case 'method': {
        const { channel, name, fields, content } = step
        const of = (value: unknown): Fields => named(value, this.#suffix) as Fields
        const message = content && { ...content, properties: of(content.properties ?? {}) }
        this.#of(step.connection).method(channel, name, of(fields), message)
      }
    }
  }

  async #connect(name: string, handshake: Handshake | undefined, isBare = false): Promise<void> {
    const { open, ready } = RawClient
    const client = await (isBare ? open(this.#port) : ready(this.#port, handshake))
    this.#clients.set(name, client)
    if (!isBare) this.#open.add(`${name}1`)
  }

  #of(connection: string): RawClient {
    const client = this.#clients.get(connection)
    if (client === undefined) throw new Error(`there is no connection ${connection}`)
    return client
  }

  async #answer(step: MethodStep): Promise<void> {
    if (!synchronous.has(step.name) || step.fields['nowait'] === true || !this.#isPolite) return
    const client = this.#of(step.connection)
    const answered = (): boolean =>
      client.isEnded || client.received.some((one) => isAnswer(step, one))
    await eventually(`an answer to ${step.name}`, answered, ANSWER_WITHIN_MS)
  }

  /** What has no answer is followed by a question that changes nothing, to know when it is done. */
  async #passed({ connection, channel, name }: MethodStep): Promise<void> {
    if (!asynchronous.has(name) || !this.#open.has(`${connection}${channel}`)) return
    await this.#ask(connection, channel, 'channel.flow', { active: true })
  }

  async #ask(connection: string, channel: number, name: string, fields: Fields): Promise<void> {
    const client = this.#of(connection)
    if (client.isEnded) return
    client.method(channel, name, fields)
    const step: MethodStep = { kind: 'method', connection, channel, name, fields }
    await this.#answer(step)
    const at = client.received.findIndex((one) => one.name === `${name}-ok`)
    if (at >= 0) client.received.splice(at, 1)
  }

  /** A confirm may take as long as the disk does. */
  async #confirmed({ connection, channel, name }: MethodStep): Promise<void> {
    const key = `${connection}${channel}`
    const { received } = this.#of(connection)
    const ours = (): Received[] => received.filter((one) => one.channel === channel)
    if (ours().some((one) => one.name === 'confirm.select-ok')) {
      this.#confirms.set(key, this.#confirms.get(key) ?? { published: 0 })
    }
    const confirms = this.#confirms.get(key)
    if (confirms === undefined || name !== 'basic.publish') return
    confirms.published++
    const isOver = (): boolean =>
      this.#of(connection).isEnded ||
      received.some(({ name: one }) => one.endsWith('.close')) ||
      ours().some((one) => isConfirm(one) && one.fields['deliveryTag'] === confirms.published)
    await eventually(`the confirm of ${key}`, isOver, ANSWER_WITHIN_MS)
  }

  /** Nothing came for a while. */
  async #quiet(since: number): Promise<void> {
    for (;;) {
      const lastAt = Math.max(since, ...[...this.#clients.values()].map((one) => one.lastAt))
      const restMs = lastAt + this.#quietMs - performance.now()
      if (restMs <= 0) return
      await delay(restMs)
    }
  }

  async #taken(): Promise<StepResult['frames']> {
    const all: (Received & { connection: string })[] = []
    for (const [connection, client] of this.#clients) {
      const frames = client.received.splice(0)
      for (const { name, channel } of frames) await this.#note(connection, channel, name)
      all.push(...frames.map((one) => ({ ...one, connection })))
    }
    return all
  }

  /** A channel that the broker closed is opened again, as clients do that go on after an error. */
  async #note(connection: string, channel: number, name: string): Promise<void> {
    const key = `${connection}${channel}`
    if (name === 'channel.open-ok') this.#open.add(key)
    if (!/^channel\.close/.test(name)) return
    this.#confirms.delete(key)
    this.#open.delete(key)
    if (name !== 'channel.close' || !this.#isPolite) return
    await this.#ask(connection, channel, 'channel.open', {})
    this.#open.add(key)
  }
}

const describeStep = (step: Step): string => {
  if (step.kind !== 'method') return step.kind
  const fields = inspect(step.fields, { breakLength: Infinity, depth: 5 })
  return `${step.connection}${step.channel} ${step.name} ${fields.slice(0, 200)}`
}

/** `suffix` makes the names of the conversation its own; `quietMs` of silence end a step. */
export const run = async (
  { name, steps, isBare }: Conversation,
  { port, suffix, quietMs }: { port: number; suffix: string; quietMs: number },
): Promise<StepResult[]> => {
  const running = new Running(port, suffix, quietMs)
  const results: StepResult[] = []
  try {
    await running.step({ kind: 'connect', connection: 'a', isBare })
    for (const step of steps) {
      results.push({ step: describeStep(step), frames: await running.step(step) })
    }
    return results
  } catch (error) {
    throw new Error(`'${name}', step ${results.length + 1}: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    running.end()
  }
}
