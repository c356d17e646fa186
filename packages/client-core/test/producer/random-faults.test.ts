/**
 * Random faults, and the promise held against all of them: what is stored is in the order of the
 * calls, each message at most once; what was acknowledged is there; what failed for certain is not.
 */
import { BrokerError, type ErrorCode, decodeRecords, utf8Decode } from '@millrace/codec'
import { Opcode } from '@millrace/protocol'
import fc from 'fast-check'
import type { Producer } from '../../src/producer/producer.ts'
import { type Cluster, openCluster } from '../support/cluster.ts'
import type { FakeBroker, FakeTopic, Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'

const RUNS = 300
const REFUSALS: readonly ErrorCode[] = [
  'ERR_STORAGE_FULL',
  'ERR_BUSY',
  'ERR_INVALID_BATCH',
  'ERR_NOT_AUTHORIZED',
]

type Step =
  | { readonly kind: 'send'; readonly count: number }
  | { readonly kind: 'accept' }
  | { readonly kind: 'swallow' }
  | { readonly kind: 'refuse'; readonly code: ErrorCode }
  | { readonly kind: 'drop'; readonly carriedOut: number }
  | { readonly kind: 'wait'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send'), count: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'accept' }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'swallow' }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('refuse'), code: fc.constantFrom(...REFUSALS) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop'), carriedOut: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.nat(1_500) }) },
) as fc.Arbitrary<Step>

interface Message {
  outcome: 'pending' | 'acknowledged' | 'refused' | 'unknown'
  offset: number
}

class Play {
  readonly #cluster: Cluster
  readonly #broker: FakeBroker
  readonly #producer: Producer<string>
  /** PRODUCE requests of the present connection, in the order they came. */
  #held: Request[] = []
  readonly messages: Message[] = []

  constructor(cluster: Cluster, producer: Producer<string>) {
    this.#cluster = cluster
    this.#broker = cluster.brokers[0] as FakeBroker
    this.#producer = producer
    this.#broker.intercept = (request) =>
      request.opcode === Opcode.PRODUCE && this.#held.push(request) > 0
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) {
      await this.#play(one)
      await settle()
    }
    await this.#finish()
  }

  stored(): { text: string; offset: number }[] {
    const { partitions } = this.#broker.topics.get('t') as FakeTopic
    return (partitions[0]?.batches ?? []).flatMap(({ bytes }) =>
      decodeRecords(bytes).map(({ value, offset }) => ({
        text: utf8Decode(value as Uint8Array),
        offset,
      })),
    )
  }

  async #play(one: Step): Promise<void> {
    if (one.kind === 'send') for (let count = 0; count <= one.count; count++) this.#send()
    else if (one.kind === 'accept') this.#carryOut(true)
    else if (one.kind === 'swallow') this.#carryOut(false)
    else if (one.kind === 'refuse') this.#refuse(one.code)
    else if (one.kind === 'wait') this.#cluster.platform.advance(one.ms)
    else await this.#drop(one.carriedOut)
  }

  #send(): void {
    const index = this.messages.length
    const message: Message = { outcome: 'pending', offset: -1 }
    this.messages.push(message)
    this.#producer.send(String(index)).then(
      ({ offset }) => Object.assign(message, { outcome: 'acknowledged', offset }),
      ({ message: text }: Error) => {
        message.outcome = text.includes('may or may not') ? 'unknown' : 'refused'
      },
    )
  }

  #carryOut(isAnswered: boolean): void {
    const request = this.#held.shift()
    if (request === undefined) return
    const { push } = this.#broker
    if (!isAnswered) this.#broker.push = () => undefined
    this.#broker.handle(request)
    this.#broker.push = push
  }

  #refuse(code: ErrorCode): void {
    const request = this.#held.shift()
    if (request !== undefined) this.#broker.fail(request, new BrokerError(code))
  }

  /** Some of what had come is carried out, and nobody hears of it. */
  async #drop(carriedOut: number): Promise<void> {
    for (let count = 0; count < carriedOut; count++) this.#carryOut(false)
    this.#held = []
    await this.#cluster.drop()
    await this.#cluster.recover()
  }

  /** No more faults: everything gets its outcome. */
  async #finish(): Promise<void> {
    for (let turn = 0; turn < 400; turn++) {
      if (this.messages.every(({ outcome }) => outcome !== 'pending')) return
      if (this.#held.length === 0) this.#cluster.platform.advance(500)
      while (this.#held.length > 0) this.#carryOut(true)
      await settle()
    }
  }
}

const check = (play: Play): void => {
  const stored = play.stored()
  const texts = stored.map(({ text }) => Number(text))
  expect(texts).toEqual([...new Set(texts)].sort((left, right) => left - right))
  const offsets = new Map(stored.map(({ text, offset }) => [Number(text), offset]))
  for (const [index, { outcome, offset }] of play.messages.entries()) {
    expect(outcome).not.toBe('pending')
    if (outcome === 'acknowledged') expect(offsets.has(index)).toBe(true)
    if (outcome === 'refused') expect(offsets.has(index)).toBe(false)
    if (outcome === 'acknowledged' && offset >= 0) expect(offsets.get(index)).toBe(offset)
  }
}

it('nothing is stored twice, lost or out of order, whatever happens', async () => {
  const run = async (steps: Step[]): Promise<void> => {
    const cluster = await openCluster(1, (broker) => void broker.createTopic('t'), {
      requestTimeoutMs: 1_000,
    })
    const producer = cluster.client.producer<string>('t', { codec: 'string' })
    await producer.ready()
    const play = new Play(cluster, producer)
    await play.run(steps)
    check(play)
    await cluster.client.close()
  }
  const steps = fc.array(step, { minLength: 1, maxLength: 40 })
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: RUNS })
}, 60_000)
