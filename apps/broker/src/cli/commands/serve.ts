/** `millrace start` and `millrace dev`: configuration, log, server, signals. */
import { createNodeEnvironment, openBroker } from '@millrace/core'
import { type Config, loadConfig } from '../../config/config.ts'
import type { ConfigValues } from '../../config/config-table.ts'
import { createEngineLog, createLogger } from '../../logger.ts'
import { readOpenFilesMax } from '../../net/file-budget.ts'
import { loadSystemCalls } from '../../net/system-calls.ts'
import { type RunningServer, startServer } from '../../server.ts'
import { listenForReload, listenForStop, stopFatally, stopServer } from '../../shutdown.ts'
import { readVersion } from '../../version.ts'
import { formatBanner } from '../banner.ts'
import { describeFailure } from '../failure.ts'
import { flagValues } from '../setting-flags.ts'

export type ServeMode = 'start' | 'dev'

const devDefaults: Partial<ConfigValues> = { 'topics.autoCreate': true, 'log.level': 'warn' }

export const serve = async (mode: ServeMode, options: Record<string, string>): Promise<void> => {
  const { values } = await load(mode, options)
  const version = readVersion()
  const logger = createLogger({
    level: values['log.level'],
    format: logFormat(mode, values),
    useColor: process.stdout.isTTY && !process.env['NO_COLOR'],
    write: (text) => void process.stdout.write(text),
  })
  stopOnBug()
  const stopRequest = listenForStop(logger)
  logger.info({ version, dataDir: values.dataDir, pid: process.pid }, 'broker.starting')
  let reload = (): void => undefined
  const signs = { hasCertificates: values['tls.certFile'] !== '', hasTerminal: process.stdin.isTTY }
  listenForReload(signs, logger, () => reload())
  const server = await startServer({
    loadSystemCalls: () => loadSystemCalls({ isOwnProcess: true }),
    values,
    version,
    environment: createNodeEnvironment({ log: createEngineLog(logger) }),
    openBroker,
    openFilesMax: readOpenFilesMax(),
    isBusyGatewayFatal: mode === 'start',
    onFatal: (error) => stopFatally(logger, error),
  })
  reload = () => server.reloadCertificates?.()
  announce(mode, version, values, server, (fields) => logger.info(fields, 'broker.ready'))
  await stopServer(server, await stopRequest, values['shutdown.deadline'], logger)
}

const load = (mode: ServeMode, options: Record<string, string>): Promise<Config> =>
  loadConfig({
    file: options['config'],
    flags: flagValues(options),
    environment: process.env,
    ...(mode === 'dev' ? { defaults: devDefaults } : {}),
  })

const logFormat = (mode: ServeMode, values: ConfigValues): 'json' | 'pretty' => {
  const format = values['log.format']
  if (format === 'json' || format === 'pretty') return format
  return mode === 'dev' || process.stdout.isTTY ? 'pretty' : 'json'
}

const announce = (
  mode: ServeMode,
  version: string,
  values: ConfigValues,
  server: RunningServer,
  log: (fields: Record<string, unknown>) => void,
): void => {
  const readyMs = Math.round(performance.now())
  const { ports } = server
  if (mode === 'dev') {
    process.stdout.write(
      formatBanner({
        version,
        readyMs,
        values,
        ports,
        isLoginRequired: server.isLoginRequired(),
      }),
    )
    return
  }
  const { recovery } = server.broker.status().storage
  log({ readyMs, recoveryMs: recovery.durationMs, host: values.host, ...ports })
}

/** A bug is not survived: what it left behind in memory cannot be trusted. */
const stopOnBug = (): void => {
  const stop = (error: unknown): void => {
    process.stderr.write(describeFailure(error).text)
    process.exit(1)
  }
  process.on('uncaughtException', stop)
  process.on('unhandledRejection', stop)
}
