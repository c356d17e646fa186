/** What `millrace dev` says when it is ready. */
import type { ConfigValues } from '../config/config-table.ts'
import type { RunningServer } from '../server.ts'

export interface BannerOptions {
  readonly version: string
  readonly readyMs: number
  readonly values: ConfigValues
  readonly ports: RunningServer['ports']
  readonly isLoginRequired: boolean
}

const NATIVE_PORT_STANDARD = 7420

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)

const LOGIN_NONE = 'none: only this machine can connect'
const LOGIN_REQUIRED = 'required: --user NAME --password-file FILE'

export const formatBanner = ({
  version,
  readyMs,
  values,
  ports,
  isLoginRequired,
}: BannerOptions): string => {
  const host = bracketed(values.host)
  const { native, http, kafka, amqp } = ports
  const at = (port: number | undefined, scheme: string, path = ''): string =>
    port === undefined ? 'off' : `${scheme}${host}:${port}${path}`
  const url = `millrace://${host}:${native ?? '-'}`
  const isStandard = native === NATIVE_PORT_STANDARD && values.host === '127.0.0.1'
  const flag = isStandard ? '' : ` --url ${url}`
  const lines = [
    `millrace ${version}  ready in ${readyMs} ms`,
    '',
    `  data     ${values.dataDir} (kept)`,
    `  native   ${native === undefined ? 'off' : url}`,
    `  kafka    ${at(kafka, '')}`,
    `  amqp     ${at(amqp, 'amqp://')}`,
    `  browser  ${at(http, 'ws://', '/ws')}`,
    `  http     ${at(http, 'http://', '/readyz?verbose')}`,
    `  login    ${isLoginRequired ? LOGIN_REQUIRED : LOGIN_NONE}`,
    '  topics   are created on first use',
    '',
    '  try      ' + `millrace sub orders${flag}`,
    '           ' + `millrace pub orders '{"id":1}'${flag}`,
    '           ' + `millrace sub orders --from start --no-follow${flag}`,
    '',
    '  stop     Ctrl-C',
    '',
  ]
  return lines.map((line) => `${line}\n`).join('')
}
