/**
 * Log lines: JSON by pino, or one readable line each on a terminal. Written at once from this
 * process; no worker, so that the last words before an exit are not lost.
 */
import type { EngineLog } from '@millrace/core'
import { type Logger, pino, stdTimeFunctions } from 'pino'

export interface LoggerOptions {
  readonly level: string
  readonly format: 'json' | 'pretty'
  readonly useColor: boolean
  readonly write: (text: string) => void
}

export const createLogger = (options: LoggerOptions): Logger => {
  const { level, format, useColor, write } = options
  const target = format === 'json' ? write : (line: string) => write(prettify(line, useColor))
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: target },
  )
}

/** The engine and the protocols name events; pino's message is that name. */
export const createEngineLog = (logger: Logger): EngineLog => ({
  info: (event, fields) => logger.info(fields ?? {}, event),
  warn: (event, fields) => logger.warn(fields ?? {}, event),
  error: (event, fields) => logger.error(fields ?? {}, event),
})

const colors: Readonly<Record<string, string>> = {
  debug: '\u001b[2m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
}
const RESET = '\u001b[0m'

const prettify = (line: string, useColor: boolean): string => {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${formatField(value)}`)
  const head = `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(msg)}`
  const text = [head, ...rest].join('  ')
  const color = useColor ? colors[String(level)] : undefined
  return color === undefined ? `${text}\n` : `${color}${text}${RESET}\n`
}

const formatField = (value: unknown): string =>
  typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value)
