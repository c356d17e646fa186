/** JSON Web Tokens: signature, issuer, audience and time, and then who the bearer is. */
import type { Clock, Principal } from '@millrace/core'
import { NAME_BYTES_MAX } from '@millrace/core'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import { TOKEN_CLOCK_SKEW_S } from './limits.ts'
import type { TokenKeys } from './token-keys.ts'
import { readScopes } from './token-scopes.ts'

export interface TokenVerifierOptions {
  readonly keys: TokenKeys
  readonly clock: Clock
  /** Empty: any. */
  readonly issuer: string
  readonly audience: string
}

export interface VerifiedToken {
  readonly principal: Principal
  readonly expiresAtMs: number
}

export class TokenVerifier {
  readonly #options: TokenVerifierOptions

  constructor(options: TokenVerifierOptions) {
    this.#options = options
  }

  /** Rejects with an Error whose text is for the log: it holds nothing of the token. */
  async verify(token: string): Promise<VerifiedToken> {
    const { clock, keys, issuer, audience } = this.#options
    const { jwtVerify } = await import('jose')
    const { payload } = await jwtVerify(token, keys.key as JWTVerifyGetKey, {
      algorithms: [...keys.algorithms],
      audience,
      ...(issuer === '' ? {} : { issuer }),
      currentDate: new Date(clock.now()),
      clockTolerance: TOKEN_CLOCK_SKEW_S,
      requiredClaims: ['exp', 'sub'],
    })
    return toPrincipal(payload)
  }
}

const toPrincipal = ({ sub, exp, scope, scp }: JWTPayload): VerifiedToken => {
  if (typeof sub !== 'string' || !isName(sub)) throw new Error('the subject is no good name')
  const scopes = readScopes(scope ?? scp)
  const principal: Principal = { name: sub, isAnonymous: false }
  return {
    principal: scopes === undefined ? principal : { ...principal, scopes },
    expiresAtMs: ((exp ?? 0) + TOKEN_CLOCK_SKEW_S) * 1_000,
  }
}

/** Issuers name their subjects as they like; it must fit a log line and be no name of ours. */
const isName = (name: string): boolean =>
  name !== '' &&
  name !== '*' &&
  name !== 'anonymous' &&
  Buffer.byteLength(name) <= NAME_BYTES_MAX &&
  !/[\p{Cc}\p{Cs}]/u.test(name)
