/**
 * Whether peers have to show who they are, and by which tokens they may: read from the configuration
 * before anything is opened, so that a mistake costs nothing.
 *
 * The rule of `auto`: nobody has to log in while all listeners are on loopback, there is no user and
 * no key for tokens. The first user changes that for every connection that comes after.
 */
import { readFileSync, statSync } from 'node:fs'
import { ConfigError } from '../config/config-error.ts'
import type { ConfigValues } from '../config/config-table.ts'
import { isLoopbackHost } from '../net/loopback.ts'
import { KEY_FILE_BYTES_MAX } from './limits.ts'
import { checkKeySetUrl, createRemoteKeys } from './remote-key-set.ts'
import { readTokenKeys, type TokenKeys } from './token-keys.ts'

export interface AuthPolicy {
  readonly isRequired: (identity: { readonly userCount: number }) => boolean
  readonly isLoopbackOnly: boolean
  /** `undefined`: no tokens. */
  readonly tokenKeys: TokenKeys | undefined
}

/** Throws ConfigError. */
export const readAuthPolicy = async (values: ConfigValues): Promise<AuthPolicy> => {
  const isLoopbackOnly = isLoopbackHost(values.host)
  const mode = values['auth.mode']
  if (mode === 'off' && !isLoopbackOnly) throw new ConfigError([openToAllText(values.host)])
  const tokenKeys = await readKeys(values)
  const isAlways = mode === 'required' || !isLoopbackOnly || tokenKeys !== undefined
  return {
    isRequired: ({ userCount }) => mode !== 'off' && (isAlways || userCount > 0),
    isLoopbackOnly,
    tokenKeys,
  }
}

const openToAllText = (host: string): string =>
  `host '${host}' is refused with auth.mode off: it is not a loopback address, so whoever reaches ` +
  "the port could read and write everything: set auth.mode to 'auto' or 'required', or host to 127.0.0.1"

/** Nobody could log in, and from elsewhere nobody could change that. */
export const nobodyText = (host: string): string =>
  `host '${host}' is refused: it is not a loopback address, and nobody could log in, because there ` +
  'is no user and no key for tokens: set auth.bootstrapUser and auth.bootstrapPasswordFile, or ' +
  'start once with --host 127.0.0.1 and run `millrace user create admin --admin --password-file FILE`'

const keySettings = ['auth.tokenKeyFile', 'auth.jwksFile', 'auth.jwksUrl'] as const

const readKeys = async (values: ConfigValues): Promise<TokenKeys | undefined> => {
  const given = keySettings.filter((path) => values[path] !== '')
  const [path] = given
  if (path === undefined) return undefined
  if (given.length > 1)
    throw new ConfigError([`${given.join(' and ')} exclude each other: keep one of them`])
  try {
    if (path === 'auth.jwksUrl') return await createRemoteKeys(checkKeySetUrl(values[path]))
    return await readTokenKeys(readSmallFile(values[path]))
  } catch (error) {
    const { message, code } = error as { message?: string; code?: string }
    const why = code === undefined ? String(message) : `it cannot be read (${code})`
    throw new ConfigError([`${path} '${values[path]}': ${why}`])
  }
}

export const readSmallFile = (path: string): Uint8Array => {
  const { size } = statSync(path)
  if (size > KEY_FILE_BYTES_MAX) throw new Error('it is too large')
  return readFileSync(path)
}
