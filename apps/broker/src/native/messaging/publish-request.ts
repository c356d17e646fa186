/**
 * One PUBLISH that waits for its outcomes, and the PUBLISHED that grows while it waits.
 *
 * The engine counts confirms through the session; those of a request stand in a row. A message that
 * was refused has no number among them, so the k-th confirm is that of the k-th message not refused.
 */
import { type BrokerError, utf8Encode } from '@millrace/codec'
import {
  ERROR_MESSAGE_CHARACTERS_MAX,
  FRAME_HEADER_BYTES,
  Opcode,
  OUTCOME_BYTES,
  PUBLISHED_HEAD_BYTES,
  wireOfError,
  writeFrameHeader,
  writeOutcomeError,
  writePublishedCount,
  writeTargets,
} from '@millrace/protocol'

export class PublishRequest {
  readonly channel: number
  readonly correlation: number
  /** Why all of it is refused: nothing of it was published. */
  readonly failure: BrokerError | undefined
  /** All messages were given to the engine. */
  isPublished: boolean
  #frame: Uint8Array
  #index: number
  #wantedCount: number
  #confirmedCount: number
  #refused: number[] | undefined
  #text: string

  constructor(channel: number, correlation: number, count: number, failure?: BrokerError) {
    this.channel = channel
    this.correlation = correlation
    this.failure = failure
    this.isPublished = failure !== undefined
    const bytes = FRAME_HEADER_BYTES + PUBLISHED_HEAD_BYTES + count * OUTCOME_BYTES
    this.#frame = new Uint8Array(bytes)
    writePublishedCount(this.#frame, FRAME_HEADER_BYTES, count)
    this.#index = 0
    this.#wantedCount = 0
    this.#confirmedCount = 0
    this.#refused = undefined
    this.#text = ''
  }

  /** Messages whose confirm is still to come. */
  get waitingCount(): number {
    return this.#wantedCount - this.#confirmedCount
  }

  get isDone(): boolean {
    return this.isPublished && this.waitingCount === 0
  }

  /** The engine took the next message. */
  accept(targets: number): void {
    writeTargets(this.#frame, FRAME_HEADER_BYTES, this.#index, targets)
    this.#index += 1
    this.#wantedCount += 1
  }

  /** The engine refused the next message. */
  refuse(error: BrokerError): void {
    this.#refused ??= []
    this.#refused.push(this.#index)
    this.#writeError(this.#index, error)
    this.#index += 1
  }

  confirm(count: number, error: BrokerError | undefined): void {
    for (let left = error === undefined ? 0 : count; left > 0; left--) {
      this.#writeError(this.#indexOf(this.#confirmedCount + left - 1), error as BrokerError)
    }
    this.#confirmedCount += count
  }

  /** The whole answer. */
  frame(): Uint8Array {
    const text = this.#text === '' ? undefined : utf8Encode(this.#text)
    const bytes = this.#frame.length + (text?.length ?? 0)
    const frame = text === undefined ? this.#frame : new Uint8Array(bytes)
    if (text !== undefined) {
      frame.set(this.#frame)
      frame.set(text, this.#frame.length)
    }
    const bodyBytes = bytes - FRAME_HEADER_BYTES
    writeFrameHeader(frame, 0, bodyBytes, Opcode.PUBLISHED, 0, this.channel, this.correlation)
    return frame
  }

  #indexOf(confirm: number): number {
    let index = confirm
    for (const refused of this.#refused ?? []) if (refused <= index) index += 1
    return index
  }

  #writeError(index: number, error: BrokerError): void {
    writeOutcomeError(this.#frame, FRAME_HEADER_BYTES, index, wireOfError(error))
    if (this.#text === '') this.#text = error.message.slice(0, ERROR_MESSAGE_CHARACTERS_MAX)
  }
}
