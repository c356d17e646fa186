/** Settings of exchanges and queues as flags: `--length-max 1000`, `--message-ttl 10m`, `--set name=value`. */
import { parseBytes, parseDuration } from '../config/units.ts'
import { UsageError } from './failure.ts'

export interface SettingFlags {
  readonly set?: readonly string[]
}

const numbers: ReadonlySet<string> = new Set(['lengthMax', 'priorityMax', 'deliveryLimit'])

/** Flags whose setting has another name. */
const settingOf: Readonly<Record<string, string>> = {
  messageTtl: 'messageTtlMs',
  expires: 'expiresMs',
  dedupWindow: 'dedupWindowMs',
  retention: 'retentionMs',
  deliveryTimeout: 'deliveryTimeoutMs',
  redeliveryDelay: 'redeliveryDelayMsMin',
  redeliveryDelayMax: 'redeliveryDelayMsMax',
  autoDelete: 'isAutoDelete',
  internal: 'isInternal',
  singleActiveConsumer: 'isSingleActiveConsumer',
  keyOrdered: 'isKeyOrdered',
  stream: 'isStream',
}

/** Units as in the configuration; what is no quantity goes to the broker as it is. */
const parseValue = (name: string, text: string): unknown => {
  if (name.startsWith('is') && (text === 'true' || text === 'false')) return text === 'true'
  if (/Ms(Min|Max)?$/.test(name)) return parseDuration(text) ?? text
  if (name === 'bytesMax') return parseBytes(text) ?? text
  return numbers.has(name) && /^\d{1,15}$/.test(text) ? Number(text) : text
}

const pairOf = (pair: string): [string, string] => {
  const at = pair.indexOf('=')
  if (at >= 1) return [pair.slice(0, at), pair.slice(at + 1)]
  throw new UsageError(`--set '${pair}' has no name and value`, 'write --set name=value')
}

/** `names` are the flags that are settings, as the command line knows them. */
export const settingsOf = (
  flags: SettingFlags,
  names: readonly string[],
): Record<string, unknown> => {
  const settings: Record<string, unknown> = {}
  const values = flags as Readonly<Record<string, unknown>>
  for (const flag of names) {
    const value = values[flag]
    const name = settingOf[flag] ?? flag
    if (typeof value === 'string') settings[name] = parseValue(name, value)
    else if (value !== undefined) settings[name] = value
  }
  // Says the opposite of its setting.
  if (values['transient'] === true) settings['isDurable'] = false
  for (const pair of flags.set ?? []) {
    const [name, text] = pairOf(pair)
    settings[name] = parseValue(name, text)
  }
  return settings
}
