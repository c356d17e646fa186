/** `--quota in=10mb --quota connections=5` into the quotas of a user. */
import type { UserOptions } from '@millrace/client-core'
import { parseBytes } from '../config/units.ts'
import { UsageError } from './failure.ts'

type UserQuotas = NonNullable<UserOptions['quotas']>

const names: Readonly<Record<string, keyof UserQuotas>> = {
  in: 'bytesInPerSecond',
  out: 'bytesOutPerSecond',
  connections: 'connections',
  topics: 'topics',
}

const NEXT = 'give in=BYTES, out=BYTES, connections=N or topics=N, with 0 for no limit; or none'

/** `none` alone goes back to what the configuration says. */
export const readQuotas = (texts: readonly string[]): UserQuotas => {
  if (texts.length === 1 && texts[0] === 'none') return {}
  const quotas = new Map<keyof UserQuotas, number>()
  for (const text of texts) {
    const [name = '', value = ''] = text.split('=', 2)
    const key = Object.hasOwn(names, name) ? names[name] : undefined
    const number = isBytes(name) ? parseBytes(value) : parseCount(value)
    if (key === undefined || number === undefined) {
      throw new UsageError(`'${text}' is no quota`, NEXT)
    }
    quotas.set(key, number)
  }
  return Object.fromEntries(quotas)
}

const isBytes = (name: string): boolean => name === 'in' || name === 'out'

const parseCount = (text: string): number | undefined =>
  /^\d{1,9}$/.test(text) ? Number(text) : undefined
