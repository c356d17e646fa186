/**
 * While an alarm throttles, a connection that publishes is read only now and then: not at all would
 * hide that its peer is gone, and would keep the acks from us that free what is short. A peer that can
 * hear it is told once, and told again when it is over.
 */
import type { TimerHandle } from '@millrace/core'
import type { AmqpSession } from './amqp-session.ts'
import { THROTTLED_READ_MS } from './limits.ts'
import { Suspension } from './suspension.ts'

export class PublishThrottle {
  readonly #session: AmqpSession
  #timer: TimerHandle | undefined
  #isTold: boolean

  constructor(session: AmqpSession) {
    this.#session = session
    this.#timer = undefined
    this.#isTold = false
  }

  /** The peer has published. */
  hold(): void {
    this.#tell()
    if (this.#timer !== undefined) return
    const session = this.#session
    session.suspend(Suspension.ALARM)
    this.#timer = session.services.environment.timers.after(THROTTLED_READ_MS, () => {
      this.#timer = undefined
      session.resume(Suspension.ALARM)
    })
  }

  /** The alarm is over. */
  end(): void {
    if (this.#isTold) this.#session.reply('connection.unblocked', {})
    this.#isTold = false
    this.close()
    this.#session.resume(Suspension.ALARM)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #tell(): void {
    const { capabilities, services } = this.#session
    if (this.#isTold || !capabilities.connectionBlocked) return
    this.#isTold = true
    const isMemory = services.alarms?.isRaised('memory') === true
    this.#session.reply('connection.blocked', {
      reason: isMemory ? 'low on memory' : 'low on disk',
    })
  }
}
