/** `auth` of `connect`: a password or a token, as what the handshake needs of it. */
import { BrokerError } from '@millrace/codec'
import { explain, invalidArgument, messageOf } from '../errors.ts'
import type { Platform } from '../platform.ts'
import type { Authenticator, Credentials } from './exchange.ts'
import { bearerLogin } from './oauth-bearer.ts'
import { checkSecrecy, plainLogin } from './plain.ts'
import { type ScramMechanism, ScramLogin } from './scram.ts'

export interface PasswordAuth {
  readonly username: string
  readonly password: string
  /** Default: `SCRAM-SHA-256`, which does not show the password to anybody. */
  readonly mechanism?: ScramMechanism | 'PLAIN'
  /** Let `PLAIN` go unencrypted to another machine. Default: false. */
  readonly allowInsecure?: boolean
}

export interface TokenAuth {
  /** The token, or what fetches one: called for each connection, and before the token expires. */
  readonly token: string | (() => string | Promise<string>)
  /** Let the token go unencrypted to another machine. Default: false. */
  readonly allowInsecure?: boolean
}

/** By the certificate of the TLS connection: the broker takes the name from it. */
export interface CertificateAuth {
  readonly mechanism: 'EXTERNAL'
}

export type AuthOptions = PasswordAuth | TokenAuth | CertificateAuth

const mechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] as const

const passwordCredentials = (auth: PasswordAuth): Credentials => {
  const { username, password, mechanism = 'SCRAM-SHA-256', allowInsecure = false } = auth
  if (!mechanisms.includes(mechanism)) {
    throw invalidArgument('auth.mechanism', `it is not one of ${mechanisms.join(', ')}`)
  }
  if (typeof username !== 'string' || username === '' || typeof password !== 'string') {
    throw invalidArgument('auth', 'give username and password')
  }
  return {
    begin: (address, platform) => {
      if (mechanism !== 'PLAIN') return scramLogin(mechanism, username, password, platform)
      checkSecrecy(address, 'the password', allowInsecure)
      return plainLogin(username, password)
    },
  }
}

const scramLogin = (
  mechanism: ScramMechanism,
  username: string,
  password: string,
  { crypto }: Platform,
): Authenticator => {
  if (crypto !== undefined) return new ScramLogin(mechanism, username, password, crypto)
  throw new BrokerError('ERR_UNSUPPORTED_FEATURE', [`${mechanism} without cryptography`])
}

/** Never the token in the text; what the callback threw is its own. */
const fetchToken = async (token: TokenAuth['token']): Promise<string> => {
  let fetched: unknown
  try {
    fetched = typeof token === 'function' ? await token() : token
  } catch (error) {
    const failed = new BrokerError('ERR_CONNECT_FAILED', ['the broker', 'auth.token() failed'])
    failed.cause = error
    throw explain(failed, messageOf(error))
  }
  if (typeof fetched === 'string' && /^[\x21-\x7e]+$/.test(fetched)) return fetched
  throw invalidArgument('auth.token', 'it is not a text of visible ASCII characters')
}

const tokenCredentials = ({ token, allowInsecure = false }: TokenAuth): Credentials => ({
  begin: async (address) => {
    checkSecrecy(address, 'the token', allowInsecure)
    return bearerLogin(await fetchToken(token))
  },
})

const certificateLogin: Authenticator = {
  mechanism: 'EXTERNAL',
  initial: new Uint8Array(0),
  respond: () => new Uint8Array(0),
}

/** Throws ERR_INVALID_ARGUMENT. */
export const resolveAuth = (auth: AuthOptions): Credentials => {
  if ('token' in auth) return tokenCredentials(auth)
  if ('username' in auth) return passwordCredentials(auth)
  if (auth.mechanism === 'EXTERNAL') return { begin: () => certificateLogin }
  throw invalidArgument('auth', 'give username and password, a token, or mechanism EXTERNAL')
}
