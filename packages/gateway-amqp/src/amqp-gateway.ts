/** AMQP 0-9-1 in front of the engine. */
import type { Connection, Gateway, Services, Session } from '@millrace/core'

export class AmqpGateway implements Gateway {
  readonly name = 'amqp'

  accept(_connection: Connection, _services: Services): Session {
    throw new Error('not served yet')
  }

  close(_deadlineMs: number): Promise<void> {
    return Promise.resolve()
  }
}
