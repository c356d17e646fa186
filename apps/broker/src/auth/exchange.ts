/**
 * What every mechanism's exchange keeps to: messages of bounded length, few steps, UTF-8, and nothing
 * after its end. A client that sends no first message is asked for it once.
 */
import { isUtf8 } from 'node:buffer'
import type { AuthenticationExchange, AuthenticationStep } from '@millrace/core'
import { MESSAGE_BYTES_MAX, STEPS_COUNT_MAX } from './limits.ts'

/** One step of a mechanism that begins with the client. Text in, outcome out. */
export type MechanismStep = (message: string) => Promise<AuthenticationStep>

export const failure: AuthenticationStep = { kind: 'failure' }

const askForFirst: AuthenticationStep = { kind: 'challenge', bytes: new Uint8Array(0) }

export class TextExchange implements AuthenticationExchange {
  readonly #next: MechanismStep
  /** An empty message means something: EXTERNAL, where the connection has said it all. */
  readonly #mayBeEmpty: boolean
  #steps = 0
  #wasAsked = false
  #isOver = false

  constructor(next: MechanismStep, mayBeEmpty = false) {
    this.#next = next
    this.#mayBeEmpty = mayBeEmpty
  }

  async step(response: Uint8Array): Promise<AuthenticationStep> {
    this.#steps += 1
    const isBad =
      this.#isOver ||
      this.#steps > STEPS_COUNT_MAX ||
      response.length > MESSAGE_BYTES_MAX ||
      !isUtf8(response)
    if (isBad) return this.#end(failure)
    if (response.length === 0 && this.#steps === 1 && !this.#wasAsked && !this.#mayBeEmpty) {
      this.#wasAsked = true
      return askForFirst
    }
    const outcome = await this.#next(Buffer.from(response).toString('utf8'))
    return outcome.kind === 'challenge' ? outcome : this.#end(outcome)
  }

  #end(outcome: AuthenticationStep): AuthenticationStep {
    this.#isOver = true
    return outcome
  }
}
