/** What `millrace dev` says when it is ready. */
import type { ConfigValues } from '../config/config-table.ts'
import type { RunningServer } from '../server.ts'

export interface BannerOptions {
  readonly version: string
  readonly readyMs: number
  readonly values: ConfigValues
  readonly ports: RunningServer['ports']
}

const NATIVE_PORT_STANDARD = 7420

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)

export const formatBanner = ({ version, readyMs, values, ports }: BannerOptions): string => {
  const host = bracketed(values.host)
  const { native, http } = ports
  const url = `millrace://${host}:${native ?? '-'}`
  const isStandard = native === NATIVE_PORT_STANDARD && values.host === '127.0.0.1'
  const flag = isStandard ? '' : ` --url ${url}`
  const lines = [
    `millrace ${version}  ready in ${readyMs} ms`,
    '',
    `  data     ${values.dataDir} (kept)`,
    `  native   ${native === undefined ? 'off' : url}`,
    `  http     ${http === undefined ? 'off' : `http://${host}:${http}/readyz?verbose`}`,
    '  login    none: only this machine can connect',
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
