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
const ECHO_MS_MAX = 1_000

/**
 * Listens from before the start on: a signal that comes while the broker starts stops it as soon as
 * it has started. The second one exits at once.
 */
export const listenForStop = (logger: Logger): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = (signal: NodeJS.Signals): void => {
      if (askedAtMs !== undefined) {
        const isEcho = signal === 'SIGINT' && performance.now() - askedAtMs < ECHO_MS_MAX
        if (isEcho) return
        logger.warn({ signal }, 'broker.stopped-at-once')
        process.exit(1)
      }
      askedAtMs = performance.now()
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })

/**
 * SIGHUP reads the certificates again. Without any it means what it always does: a terminal is gone,
 * end; but a supervisor that asks a broker without a terminal to reload must not end it. Listens from
 * before the start on, which reads the certificates anyway.
 */
export const listenForReload = (
  { hasCertificates, hasTerminal }: { hasCertificates: boolean; hasTerminal: boolean },
  logger: Logger,
  reload: () => void,
): void => {
  if (!hasCertificates && hasTerminal) return
  process.on('SIGHUP', () => {
    logger.info({ hasCertificates }, 'broker.reload')
    reload()
  })
}

export const stopServer = async (
  server: RunningServer,
  signal: NodeJS.Signals,
  deadlineMs: number,
  logger: Logger,
): Promise<void> => {
  logger.info({ signal, connections: server.connectionCount(), deadlineMs }, 'broker.stopping')
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
