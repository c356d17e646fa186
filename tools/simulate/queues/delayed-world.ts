/**
 * What the simulator knows of messages with a delay, across the processes of a world: when each was
 * published and for how long it asked to be kept, what its publisher was told, and where it was seen.
 *
 * - D1: nothing comes before its delay has passed, by the time that every process has counted;
 * - D2: what was confirmed comes, in the end;
 * - D3: it comes once: keeping ends and arriving begins together, whenever the power fails;
 * - D4: nothing comes that was not sent there, or was refused.
 */
import type { Simulation } from '../simulation.ts'

/** Times are cut to whole milliseconds, twice, and once more with each start. */
const CLOCK_SLACK_MS = 2

export type DelayedState = 'pending' | 'confirmed' | 'refused' | 'unknown'

export interface DelayedMessage {
  readonly number: number
  readonly delayMs: number
  readonly sentAtMs: number
  /** The process that it was sent to. */
  readonly life: number
  state: DelayedState
  /** Where it is in the queue. */
  offset: number | undefined
}

export class DelayedWorld {
  readonly #simulation: Simulation
  readonly #sent: DelayedMessage[] = []
  /** Of wall and monotonic time, as each process found them at its start. */
  readonly #clockOffsets: number[] = []
  #lifeCount = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  begin(): void {
    const { clock } = this.#simulation.world
    this.#lifeCount++
    this.#clockOffsets[this.#lifeCount] = clock.now() - clock.monotonic()
  }

  send(delayMs: number): DelayedMessage {
    const sent: DelayedMessage = {
      number: this.#sent.length,
      delayMs,
      sentAtMs: this.#simulation.world.clock.monotonic(),
      life: this.#lifeCount,
      state: 'pending',
      offset: undefined,
    }
    this.#sent.push(sent)
    return sent
  }

  /** The process is gone: what nobody was told of may be kept, or not. */
  crash(): void {
    for (const sent of this.#sent) if (sent.state === 'pending') sent.state = 'unknown'
  }

  arrived(number: number, offset: number): void {
    const { coverage, world } = this.#simulation
    const sent = this.#sent[number]
    if (sent === undefined || sent.state === 'refused')
      return this.#violate('D4', `message ${number} came, and was not sent or refused`)
    if (sent.offset !== undefined && sent.offset !== offset)
      return this.#violate('D3', `message ${number} came at ${sent.offset} and at ${offset}`)
    const waitedMs = world.clock.monotonic() - sent.sentAtMs
    const slackMs = CLOCK_SLACK_MS + this.#lifeCount - sent.life
    if (waitedMs < sent.delayMs - slackMs && this.#hasSteadyTime(sent))
      this.#violate('D1', `message ${number} came after ${waitedMs} of ${sent.delayMs} ms`)
    if (sent.offset === undefined) {
      coverage.add('delayed release')
      if (sent.life < this.#lifeCount) coverage.add('delayed release after a crash')
    }
    sent.offset = offset
  }

  /** Everything had the time to come. */
  checkAll(): void {
    for (const { number, state, offset } of this.#sent)
      if (state === 'confirmed' && offset === undefined)
        this.#violate('D2', `message ${number} was confirmed, and never came`)
  }

  /** Between two processes there is only the wall clock, and this one may have been set. */
  #hasSteadyTime({ life }: DelayedMessage): boolean {
    if (life === this.#lifeCount) return true
    const { clock } = this.#simulation.world
    const sinceThen = [...this.#clockOffsets.slice(life), clock.now() - clock.monotonic()]
    return Math.max(...sinceThen) - Math.min(...sinceThen) <= CLOCK_SLACK_MS
  }

  #violate(invariant: string, text: string): never {
    return this.#simulation.violate(invariant, text)
  }
}
