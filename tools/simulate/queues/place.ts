/**
 * A message in a queue, as the model knows it: a `Stay` is that it went there, a `Place` an offset at
 * which it was found. A stay has one place, but for what comes by a dead-letter exchange or a move:
 * those are stored at least once.
 */
import type { QueueModel } from './queue-model.ts'
import type { SentMessage } from './sent-message.ts'
import type { ModelTransaction } from './model-transaction.ts'

export type PlaceState =
  /** A consumer could have it. */
  | 'ready'
  /** With a consumer of a process that lives. */
  | 'held'
  /** Settled by a transaction that has no outcome yet. */
  | 'locked'
  | 'settled'
  /** Rejected, or returned too often: on its way to the dead letters, or gone. */
  | 'leaving'
  /** A crash has come between: it is there, or it is settled. */
  | 'unsure'
  /** Known to be gone: it must never come back. */
  | 'gone'

export class Place {
  readonly stay: Stay
  readonly offset: number
  state: PlaceState = 'ready'
  /** No crash takes the settlement back. */
  isSettledSurely = false
  /** By any process. */
  wasDelivered = false
  /** By the process that lives. */
  isDelivered = false
  /** The bounds of what it may say of how often it was returned. */
  countMin = 0
  countMax = 0
  /** No crash takes it below this. */
  countSure = 0
  transaction: ModelTransaction | undefined
  /** It is in the dead letters when it is not here. */
  isLetterDue = false
  /** It came back by a replay that a crash may take back. */
  isReplayed = false
  /** Its count may be that of any time before. */
  wasReplayed = false

  /** It came back, and this process must not deliver it before. */
  dueAtMs = 0

  constructor(stay: Stay, offset: number) {
    this.stay = stay
    this.offset = offset
  }

  returned(): void {
    this.state = 'ready'
    this.countMin++
    this.countMax++
  }

  /** Returned or rejected by a broker that is closing: it may have written its last of it before. */
  isPastLedger(): void {
    this.countMin = this.countSure
    if (this.state === 'settled') this.state = 'unsure'
  }

  /** Whatever became of the transaction that settles it, it is here or among the dead letters. */
  get #isLetterDueUnlocked(): boolean {
    return this.transaction?.outcome !== 'ack' && this.stay.queue.hasLetters
  }

  /** The process is gone. `isClosed`: it has ended by itself, and all that it knew is durable. */
  crash(isClosed: boolean): void {
    const { state } = this
    this.isDelivered = false
    this.dueAtMs = 0
    if (state === 'settled') this.state = this.isSettledSurely || isClosed ? 'gone' : 'unsure'
    if (state === 'leaving' || state === 'locked') this.state = 'unsure'
    if (state === 'locked') this.isLetterDue = this.#isLetterDueUnlocked
    if (state === 'held') this.state = 'ready'
    const mayVanish = this.stay.mayVanish || this.isReplayed
    if (mayVanish && this.state === 'ready') this.state = 'unsure'
    this.isReplayed = false
    if (!isClosed) this.countMin = this.countSure
    this.countSure = this.countMin
    // It may have come back once more, on its way to the dead letters.
    if (state === 'leaving' || state === 'locked') this.countMax++
  }
}

export class Stay {
  readonly sent: SentMessage
  readonly queue: QueueModel
  /** It must be there, unless something let it go. */
  isSure = false
  /** It was refused, and must never be there. */
  isRefused = false
  /** It came by dead-lettering or a move: at least once, and with another address. */
  readonly isLetter: boolean
  /** It is not persistent, or somebody has purged the queue or moved its messages meanwhile. */
  mayVanish = false
  /** Somebody has moved messages of the queue to the dead letters meanwhile. */
  mayBeMoved = false
  /** The broker could not read the ids it had seen: sent again, it is stored again. */
  mayRepeat = false
  readonly places = new Map<number, Place>()
  isGone = false

  constructor(sent: SentMessage, queue: QueueModel, isLetter: boolean) {
    this.sent = sent
    this.queue = queue
    this.isLetter = isLetter
  }

  /** What came back from its way to the dead letters need not get there any more. */
  mayBePurged(): void {
    this.mayVanish = true
    for (const place of this.places.values())
      if (place.state === 'unsure') place.isLetterDue = false
  }

  crash(isClosed: boolean): void {
    if (!this.sent.isPersistent) {
      this.isSure = false
      this.mayVanish = true
    }
    for (const place of this.places.values()) place.crash(isClosed)
  }
}
