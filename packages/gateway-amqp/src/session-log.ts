/** What the broker's log says of a connection. The peer is never told of a stack. */
import type { Connection, Services } from '@millrace/core'
import { AmqpFault } from './errors.ts'

interface LoggedSession {
  readonly connection: Connection
  readonly services: Services
}

/** A bug: the log has where, the peer only that. */
export const internalFault = (
  { connection, services }: LoggedSession,
  error: unknown,
): AmqpFault => {
  const detail = error as { stack?: unknown } | undefined
  services.environment.log.error('amqp.internal-error', {
    connection: connection.id,
    stack: String(detail?.stack ?? error),
  })
  return new AmqpFault('INTERNAL_ERROR', 'connection', 'internal error', 'ERR_INTERNAL')
}

export const logEnd = (
  { connection, services }: LoggedSession,
  { code, message: reason }: AmqpFault,
): void => {
  const { id, remoteAddress: peer } = connection
  services.environment.log.warn('amqp.session-ended', { connection: id, peer, code, reason })
}
