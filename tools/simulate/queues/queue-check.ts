/** Looks at every queue while nobody uses it, and holds what is there against the model. */
import type { Delivery, Messaging } from '@millrace/core'
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import { codeOf } from '../read-check.ts'
import { checkDefinitions } from './definition-check.ts'
import type { Place, Stay } from './place.ts'
import type { QueueModel } from './queue-model.ts'
import { numberIn } from './sent-message.ts'
import { queueNames } from './topology.ts'
import { checkUnits } from './unit-check.ts'

const NAMESPACE = '/'
const COUNT_MAX = 1_000_000
const SETTLE_US = 50_000

export class QueueCheck {
  readonly #life: Life
  /** Of a process that has just started: what is not there is gone for good. */
  readonly #isFirst: boolean

  constructor(life: Life, isFirst: boolean) {
    this.#life = life
    this.#isFirst = isFirst
  }

  get #messaging(): Messaging {
    return this.#life.broker.messaging
  }

  async run(): Promise<void> {
    const { simulation } = this.#life
    const { queues } = simulation
    if (queues.isForgiven) return
    checkDefinitions(this.#life, this.#isFirst)
    // What is over its limit at a start goes to the dead letters at once.
    if (this.#isFirst && queues.queues().length > 0) await this.#life.pause(SETTLE_US)
    const looks = new Map<QueueModel, ReadonlySet<number>>()
    for (const queue of queues.queues()) {
      const offsets = await this.#look(queue)
      if (offsets === undefined) return
      looks.set(queue, offsets)
    }
    if (this.#isFirst) checkUnits(simulation, looks)
    for (const [queue, offsets] of looks) this.#checkAbsent(queue, offsets)
  }

  /** The offsets that are there; `undefined` when a planned fault keeps them from being read. */
  async #look(queue: QueueModel): Promise<ReadonlySet<number> | undefined> {
    const { simulation } = this.#life
    const caller = callerOf(NAMESPACE)
    const { name } = queue
    const before = this.#messaging.describeQueue(caller, name)
    let found: readonly Delivery[]
    try {
      const looking = this.#messaging.peekQueue(caller, { queue: name, count: COUNT_MAX })
      found = await this.#life.call(`peek ${name}`, looking)
    } catch (error) {
      const code = codeOf(error)
      if (this.#life.hasFaulted || this.#life.fatal !== undefined) return undefined
      return simulation.violate(
        'I1',
        `${name}: what is in it cannot be read: ${code ?? String(error)}`,
      )
    }
    const after = this.#messaging.describeQueue(caller, name)
    for (const delivery of found) this.#observe(queue, delivery)
    simulation.note(`check queue ${name}: ${found.length} there, ${after.readyCount} ready`)
    if (before.readyCount === after.readyCount)
      this.#checkCount(queue, found.length, after.readyCount)
    return new Set(found.map(({ offset }) => offset))
  }

  #observe(queue: QueueModel, delivery: Delivery): void {
    const { queues } = this.#life.simulation
    if (queue === queues.dead) admitLetter(this.#life, queue, delivery)
    queue.observe(delivery, this.#isFirst ? 'first look' : 'look')
  }

  #checkCount(queue: QueueModel, foundCount: number, readyCount: number): void {
    if (this.#life.hasFaulted) return
    const places = [...queue.places()]
    const isFirm = [...queue.stays.values()].every((stay) => queue.isFirm(stay))
    if (!isFirm || places.some(({ state }) => state === 'leaving')) return
    if (foundCount !== readyCount)
      this.#life.simulation.violate(
        'COUNT',
        `${queue.name} says ${readyCount} are ready, and has ${foundCount}`,
      )
  }

  #checkAbsent(queue: QueueModel, offsets: ReadonlySet<number>): void {
    for (const stay of queue.stays.values()) {
      for (const place of stay.places.values())
        if (!offsets.has(place.offset)) this.#checkPlace(queue, place)
      if (stay.places.size === 0) this.#checkUnseen(queue, stay)
    }
  }

  #checkPlace(queue: QueueModel, place: Place): void {
    const { state, stay, offset } = place
    if (state !== 'ready' && state !== 'unsure') return
    if (state === 'unsure' && place.isLetterDue) this.#demandLetter(queue, stay)
    if (state === 'ready') this.#excuse(queue, stay, `at ${offset}`)
    if (this.#isFirst) place.state = 'gone'
  }

  #checkUnseen(queue: QueueModel, stay: Stay): void {
    if (stay.isGone) return
    if (stay.isSure) this.#excuse(queue, stay, 'nowhere')
    if (this.#isFirst) stay.isGone = true
  }

  /** It is not there: something must have let it go. */
  #excuse(queue: QueueModel, stay: Stay, where: string): void {
    if (queue.mayGoSilently(stay)) return
    if (queue.mayGoAsLetter(stay)) return this.#demandLetter(queue, stay)
    const { number } = stay.sent
    this.#life.simulation.violate('I1', `${queue.name}: message ${number} is lost, ${where}`)
  }

  /** It left as a letter, so there is one, or was. */
  #demandLetter(queue: QueueModel, { sent, mayBeMoved }: Stay): void {
    const { dead } = this.#life.simulation.queues
    if (!this.#isFirst || dead === undefined) return
    // A letter does not expire, what was moved keeps its time to live.
    if (mayBeMoved && sent.ttlMs >= 0) return
    if ((dead.stays.get(sent.number)?.places.size ?? 0) > 0) return
    this.#life.simulation.violate(
      'I12',
      `${queue.name}: message ${sent.number} is gone, and not among the dead letters`,
    )
  }
}

/** A dead letter is expected when the queue that it comes from could have let it go. */
export const admitLetter = (life: Life, dead: QueueModel, delivery: Delivery): void => {
  const { simulation } = life
  const { message } = delivery
  const sent = simulation.queues.sent.get(numberIn(message))
  if (sent === undefined) return simulation.violate('I2', 'a dead letter that nobody has sent')
  if (dead.stays.has(sent.number)) return
  const [entry] = message.deadLetters ?? []
  if (entry !== undefined && !queueNames.includes(entry.queue))
    return simulation.violate('I2', `a dead letter from '${entry.queue}'`)
  simulation.coverage.add(entry === undefined ? 'moved message' : `dead letter ${entry.reason}`)
  dead.expect(sent, true)
}
