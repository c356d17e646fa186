/**
 * How a broker ends. Asked to (SIGTERM, SIGINT): it drains and exits with 0, asked again it exits
 * at once. By itself, when it cannot keep its promises: at once with 1, and no acknowledgement leaves
 * any more.
 */
import type { BrokerError } from '@millrace/codec'
import type { Logger } from 'pino'
import type { RunningServer } from './server.ts'

/** For the engine's last checkpoint, after the peers are gone. */
const CLOSE_MS_MAX = 30_000

/** Under `npm start` one Ctrl-C arrives twice: from the terminal, and from npm, which passes it on. */
const SAME_REQUEST_MS = 1_000

export const runUntilStopped = (
  server: RunningServer,
  deadlineMs: number,
  logger: Logger,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let askedAtMs: number | undefined
    const onSignal = (signal: NodeJS.Signals): void => {
      if (askedAtMs !== undefined) {
        if (performance.now() - askedAtMs < SAME_REQUEST_MS) return
        logger.warn({ signal }, 'broker.stopped-at-once')
        process.exit(1)
      }
      askedAtMs = performance.now()
      logger.info({ signal, connections: server.connectionCount(), deadlineMs }, 'broker.stopping')
      stop(server, deadlineMs, logger).then(resolve, reject)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })

const stop = async (server: RunningServer, deadlineMs: number, logger: Logger): Promise<void> => {
  const guard = setTimeout(() => {
    logger.error({ deadlineMs }, 'broker.stop-took-too-long')
    process.exit(1)
  }, deadlineMs + CLOSE_MS_MAX)
  await server.stop(deadlineMs)
  clearTimeout(guard)
  logger.info('broker.stopped')
  // A socket that lingers must not keep the process.
  process.exit(0)
}

export const stopFatally = (logger: Logger, error: BrokerError): void => {
  const { code, message, cause } = error
  const reason = (cause as Error | undefined)?.message
  logger.fatal({ code, reason: reason ?? message }, 'broker.fatal')
  const next = 'check the disk, then start the broker again: nothing acknowledged is lost'
  process.stderr.write(
    `error: ${message}${reason === undefined ? '' : `: ${reason}`}\nnext:  ${next}\n`,
  )
  process.exit(1)
}
