/**
 * What one queue must do, by plain maps and nothing of the engine: which messages went there, at which
 * offsets they were seen, and what became of them. Every delivery, and every message that is found by
 * looking, is held against it (`observe`).
 */
import type { Delivery, Outcome, QueueSettings } from '@millrace/core'
import type { Simulation } from '../simulation.ts'
import { Place, Stay } from './place.ts'
import { type SentMessage, differenceOf, numberIn } from './sent-message.ts'

const PRIORITY_STRIDE = 256
const TOPIC_STRIDE = 1024
/** Nothing that was there at a start expires before this, whatever the wall clock says. */
const EXPIRY_GRACE_MS = 4_900
/** Times are cut to whole milliseconds. */
const CLOCK_SLACK_MS = 2

/** How a message was met: handed over, or found by looking. */
export type Meeting = 'delivery' | 'look' | 'first look'

export class QueueModel {
  readonly name: string
  readonly #simulation: Simulation
  settings: Partial<QueueSettings>
  readonly stays = new Map<number, Stay>()
  readonly #places = new Map<number, Place>()
  /** Offsets by lane and publisher, in the order of their sequences. */
  readonly #orders = new Map<string, { sequence: number; offset: number }[]>()
  /** By lane, the highest offset that this process has delivered for the first time. */
  readonly #cursors = new Map<number, number>()
  /** Delivered by this process and returned since. */
  readonly #returned = new Set<Place>()
  /** By key, the highest offset that this process has delivered for the first time. */
  readonly #keyCursors = new Map<string, number>()
  /** Who was served last, while it consumes. */
  #server: object | undefined
  /** The shortest time to live it ever gave. */
  #ttlMs = Infinity
  #wasLimited = false
  #hadLetters = false
  #hadNoLetters = false
  /** Somebody asked for settled messages again: order tells nothing. */
  isReplayed = false
  /** Somebody is asking: what is settled meanwhile may come again too. */
  isReplaying = false
  /** Somebody moves messages: those that come meanwhile may go too. */
  isMoving = false
  /** Calls of `get` that are not answered. */
  getCount = 0

  constructor(name: string, settings: Partial<QueueSettings>, simulation: Simulation) {
    this.name = name
    this.#simulation = simulation
    this.settings = settings
    this.noteSettings(settings)
  }

  get isDurable(): boolean {
    return this.settings.isDurable !== false
  }

  get isView(): boolean {
    return this.settings.topic !== undefined
  }

  get hasLetters(): boolean {
    return this.settings.deadLetterExchange !== undefined
  }

  /** Whether messages of it may be among the dead letters. */
  get hadLetters(): boolean {
    return this.#hadLetters
  }

  places(): Iterable<Place> {
    return this.#places.values()
  }

  /** Nothing but a settlement takes the message away, or keeps it from coming in. */
  isFirm(stay: Stay): boolean {
    const { lengthMax } = this.settings
    return (
      !stay.mayVanish && !stay.mayBeMoved && lengthMax === undefined && !this.mayBeDropped(stay)
    )
  }

  /** Settings that it has, or may have. */
  noteSettings(settings: Partial<QueueSettings>): void {
    this.#ttlMs = Math.min(this.#ttlMs, settings.messageTtlMs ?? Infinity)
    if (settings.lengthMax !== undefined)
      this.#wasLimited ||= settings.overflow === 'drop-head' || settings.overflow === undefined
    if (settings.deadLetterExchange === undefined) this.#hadNoLetters = true
    else this.#hadLetters = true
  }

  /** A message is on its way here. */
  expect(sent: SentMessage, isLetter = false): Stay {
    let stay = this.stays.get(sent.number)
    if (stay === undefined) {
      stay = new Stay(sent, this, isLetter)
      stay.mayBeMoved = this.isMoving
      this.stays.set(sent.number, stay)
    }
    return stay
  }

  observe(delivery: Delivery, meeting: Meeting): Place {
    const number = numberIn(delivery.message)
    const stay = this.stays.get(number)
    const what = `${this.name}: message ${number} at ${delivery.offset}`
    if (stay === undefined) return this.#violate('I2', `${what} was never sent there`)
    if (stay.isRefused) return this.#violate('I2', `${what} was refused, and is there`)
    const isAddressed = !stay.isLetter && !this.isView
    const difference = differenceOf(stay.sent, delivery.message, isAddressed)
    if (difference !== undefined)
      return this.#violate('I2', `${what} has ${difference} that was not sent`)
    const place = this.#placeOf(stay, delivery.offset, what)
    this.#checkState(place, meeting, what)
    this.#checkCount(place, delivery, what)
    if (meeting !== 'look' && place.wasDelivered && !delivery.isRedelivered)
      return this.#violate('I8', `${what} was delivered before and is not marked as redelivered`)
    return place
  }

  /** A consumer has it. */
  deliver(delivery: Delivery): Place {
    const place = this.observe(delivery, 'delivery')
    const what = `${this.name}: message ${place.stay.sent.number} at ${place.offset}`
    if (this.settings.isKeyOrdered !== true) this.#checkTurn(place, what)
    else this.#checkKey(place, what)
    this.#checkAge(place, what)
    const { coverage } = this.#simulation
    coverage.add('queue delivery')
    if (delivery.isRedelivered) coverage.add('redelivery')
    if (place.wasDelivered && !place.isDelivered) coverage.add('redelivery after a crash')
    place.state = 'held'
    place.wasDelivered = true
    place.isDelivered = true
    // It was visible, so it is durable.
    if (this.isDurable) place.stay.isSure = true
    return place
  }

  /** A consumer is given something. */
  serve(consumer: object): void {
    if (this.settings.isSingleActiveConsumer !== true) return
    if (this.#server !== undefined && this.#server !== consumer)
      this.#violate(
        'SINGLE',
        `${this.name} serves another consumer while one that it served is there`,
      )
    if (this.#server === undefined) this.#simulation.coverage.add('single active consumer')
    this.#server = consumer
  }

  left(consumer: object): void {
    if (this.#server === consumer) this.#server = undefined
  }

  /** Whether it may know an id no more that came in so long ago. */
  hasForgotten(ageMs: number, isOfThisLife: boolean): boolean {
    const { dedupWindowMs = 0 } = this.settings
    // After a start the window goes by the wall clock, which may have jumped.
    const isShort = dedupWindowMs < 1_000_000
    return isShort && (!isOfThisLife || ageMs >= dedupWindowMs - CLOCK_SLACK_MS)
  }

  /** The transaction that settles it is done. */
  unlocked(place: Place, outcome: Outcome): void {
    if (outcome === 'requeue') this.requeued(place)
    if (outcome === 'reject') this.rejected(place)
    if (outcome !== 'ack') {
      if (this.#simulation.queues.isClosing) place.isPastLedger()
      return
    }
    this.acked(place)
    place.isSettledSurely = this.isDurable
  }

  acked(place: Place): void {
    place.state = 'settled'
    place.isSettledSurely = false
  }

  requeued(place: Place): void {
    const { deliveryLimit } = this.settings
    if (deliveryLimit !== undefined && place.countMax >= deliveryLimit) return this.rejected(place)
    place.returned()
    this.#delay(place)
    this.#returned.add(place)
    this.#simulation.coverage.add('requeue')
  }

  #delay(place: Place): void {
    const { redeliveryDelayMsMin: min, redeliveryDelayMsMax: max = Infinity } = this.settings
    if (min === undefined) return
    const { world } = this.#simulation
    place.dueAtMs = world.clock.monotonic() + Math.min(min * place.countMin, max)
  }

  rejected(place: Place): void {
    place.state = this.hasLetters ? 'leaving' : 'settled'
    place.isSettledSurely = false
    place.isLetterDue = this.hasLetters
  }

  /** Whatever is held was returned, or was not any more. */
  endSessions(): void {
    const { deliveryLimit = Infinity } = this.settings
    for (const place of this.#places.values()) {
      if (place.state !== 'held') continue
      if (place.countMax >= deliveryLimit) this.rejected(place)
      place.countMax++
    }
  }

  crash(isClosed: boolean): void {
    // It may have come after all that was settled meanwhile.
    if (this.isReplaying) this.replayed(false)
    this.#cursors.clear()
    this.#keyCursors.clear()
    this.#server = undefined
    this.#returned.clear()
    this.isReplayed = false
    this.isReplaying = false
    this.isMoving = false
    this.getCount = 0
    for (const stay of this.stays.values()) stay.crash(isClosed)
  }

  /** Settled messages may come again; `isDone`: no crash takes that back. */
  replayed(isDone: boolean): void {
    this.isReplayed = true
    for (const stay of this.stays.values()) stay.isGone = false
    for (const place of this.#places.values()) {
      place.isReplayed = !isDone
      place.wasReplayed = true
      if (place.state !== 'settled' && place.state !== 'gone') continue
      place.state = 'unsure'
      place.wasDelivered = false
      place.isSettledSurely = false
      place.countMin = place.countSure = 0
    }
  }

  /** Whether it may be gone without anybody having settled it, and without leaving a letter. */
  mayGoSilently(stay: Stay): boolean {
    return stay.mayVanish || (this.#hadNoLetters && this.mayBeDropped(stay))
  }

  /** Whether it may be gone from here because it went to the dead letters. */
  mayGoAsLetter(stay: Stay): boolean {
    return stay.mayBeMoved || (this.#hadLetters && this.mayBeDropped(stay))
  }

  mayBeDropped(stay: Stay): boolean {
    return this.#wasLimited || this.#mayBeExpired(stay)
  }

  #mayBeExpired({ sent }: Stay): boolean {
    const ttlMs = Math.min(this.#ttlMs, sent.ttlMs < 0 ? Infinity : sent.ttlMs)
    if (ttlMs === Infinity) return false
    const { world, queues } = this.#simulation
    const nowMs = world.clock.monotonic()
    if (nowMs - sent.sentAtMs >= ttlMs - CLOCK_SLACK_MS) return true
    // A process that starts by a wrong clock believes it, after a while.
    return sent.life < queues.lifeCount && nowMs - queues.startedAtMs >= EXPIRY_GRACE_MS
  }

  #placeOf(stay: Stay, offset: number, what: string): Place {
    const known = this.#places.get(offset)
    if (known !== undefined) {
      if (known.stay === stay) return known
      return this.#violate('I4', `${what} is where message ${known.stay.sent.number} was`)
    }
    const [other] = stay.places.values()
    const mayRepeat = stay.isLetter || stay.mayRepeat
    if (other !== undefined && !mayRepeat)
      return this.#violate('I5', `${what} is at ${other.offset} too`)
    if (stay.isGone && !mayRepeat) return this.#violate('I8', `${what} was gone, and is back`)
    const place = new Place(stay, offset)
    place.countMax = 0
    this.#places.set(offset, place)
    stay.places.set(offset, place)
    // One that is sent again may be stored where it is not the first time's turn any more.
    if (!stay.isLetter && !stay.sent.isSentAgain) this.#checkOrder(place, what)
    return place
  }

  #checkState(place: Place, meeting: Meeting, what: string): void {
    // Its consumer is yet to hear that the transaction is done.
    if (place.state === 'locked' && place.transaction?.outcome === 'requeue') this.requeued(place)
    const { state } = place
    if (state === 'gone') this.#violate('I8', `${what} was settled for good, and is back`)
    if (state === 'settled' && !this.isReplaying)
      this.#violate('I8', `${what} was settled, and is back`)
    if (state === 'held' || state === 'locked') this.#violate('I9', `${what} is with a consumer`)
    if (state === 'leaving' && meeting === 'delivery')
      this.#violate('I8', `${what} was rejected, and is back`)
    if (state === 'unsure') {
      place.state = 'ready'
      place.isLetterDue = false
    }
  }

  #checkCount(place: Place, { deliveryCount }: Delivery, what: string): void {
    if (place.wasReplayed || place.stay.mayBeMoved) return this.#noteCount(place, deliveryCount)
    if (deliveryCount < place.countMin || deliveryCount > place.countMax) {
      const bounds = `${place.countMin} to ${place.countMax}`
      this.#violate('I8', `${what} says it was returned ${deliveryCount} times, not ${bounds}`)
    }
    this.#noteCount(place, deliveryCount)
  }

  #noteCount(place: Place, count: number): void {
    place.countMin = count
    place.countMax = count
  }

  /** Offsets of one publisher's messages rise with their sequences. */
  #checkOrder({ stay, offset }: Place, what: string): void {
    const { publisher, sequence } = stay.sent
    const key = `${this.#laneOf(offset)} ${publisher}`
    const order = this.#orders.get(key) ?? []
    this.#orders.set(key, order)
    let index = order.length
    while (index > 0 && order[index - 1]!.sequence > sequence) index--
    const before = order[index - 1]
    const after = order[index]
    if ((before?.offset ?? -1) > offset || (after?.offset ?? Infinity) < offset) {
      const other = (before?.offset ?? -1) > offset ? before : after
      this.#violate(
        'I3',
        `${what}, ${sequence} of publisher ${publisher}, and its ${other?.sequence} at ${other?.offset}`,
      )
    }
    order.splice(index, 0, { sequence, offset })
  }

  /** Lower offsets first, what was returned before anything new. */
  #checkTurn(place: Place, what: string): void {
    const lane = this.#laneOf(place.offset)
    const wasReturned = this.#returned.delete(place)
    const nowMs = this.#simulation.world.clock.monotonic()
    if (place.dueAtMs > nowMs) this.#violate('WAIT', `${what} comes before ${place.dueAtMs} ms`)
    if (place.dueAtMs > 0) this.#simulation.coverage.add('delayed redelivery')
    if (this.isReplayed) return
    for (const other of this.#returned) {
      if (other.offset >= place.offset || other.state !== 'ready') continue
      if (other.dueAtMs > nowMs - CLOCK_SLACK_MS) continue
      if (this.#laneOf(other.offset) !== lane || this.#mayHaveLeft(other)) continue
      this.#violate('I3', `${what} is delivered before ${other.offset}, which was returned`)
    }
    if (wasReturned || place.isDelivered || place.stay.mayBeMoved) return
    const cursor = this.#cursors.get(lane) ?? -1
    if (place.offset <= cursor)
      this.#violate('I3', `${what} is delivered for the first time after ${cursor}`)
    this.#cursors.set(lane, Math.max(cursor, place.offset))
  }

  /** One of a key is out at a time, and those of a key come in their order. */
  #checkKey(place: Place, what: string): void {
    const { key = '' } = place.stay.sent
    this.#simulation.coverage.add('delivery by key')
    const others = [...this.#places.values()].filter(
      (other) => other !== place && other.stay.sent.key === key,
    )
    for (const other of others) {
      if (other.state === 'held')
        this.#violate('KEY', `${what} is delivered while ${other.offset} of its key is out`)
      const isPassed = other.offset < place.offset && other.state === 'ready'
      if (isPassed && !this.#mayHaveLeft(other))
        this.#violate('KEY', `${what} is delivered before ${other.offset} of its key`)
    }
    if (place.isDelivered || place.stay.mayBeMoved) return
    if (place.offset <= (this.#keyCursors.get(key) ?? -1))
      this.#violate('KEY', `${what} is delivered for the first time after others of its key`)
    this.#keyCursors.set(key, place.offset)
  }

  #mayHaveLeft({ stay }: Place): boolean {
    return stay.mayVanish || this.mayGoSilently(stay) || this.mayGoAsLetter(stay)
  }

  /** What has expired is not delivered. */
  #checkAge({ stay }: Place, what: string): void {
    const { world, queues } = this.#simulation
    const { ttlMs, sentAtMs, doneAtMs, life } = stay.sent
    if (ttlMs <= 0 || stay.isLetter || this.isView || life !== queues.lifeCount) return
    const sinceMs = this.isDurable ? sentAtMs : (doneAtMs ?? sentAtMs)
    const ageMs = world.clock.monotonic() - sinceMs
    if (ageMs > ttlMs + CLOCK_SLACK_MS)
      this.#violate('TTL', `${what} lives ${ttlMs} ms and is delivered after ${ageMs.toFixed(1)}`)
  }

  #laneOf(offset: number): number {
    if (this.isView) return offset % TOPIC_STRIDE
    return this.settings.priorityMax === undefined ? 0 : offset % PRIORITY_STRIDE
  }

  #violate(invariant: string, text: string): never {
    return this.#simulation.violate(invariant, text)
  }
}
