/** Tokens as whoever has the key makes them, and as somebody who has not. */
import { createHmac } from 'node:crypto'

export const TOKEN_SECRET = 'a secret of thirty-two bytes, or more of them'

/** Clocks may differ: the broker takes a token for so long after its end. */
const CLOCK_SKEW_S = 30

export interface TokenClaims {
  readonly sub?: string
  readonly aud?: string
  readonly scope?: string
  /** How long the broker takes it; less than 0 when it takes it no more. */
  readonly seconds?: number
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

export const tokenOf = (
  { sub = 'service', aud = 'millrace', scope, seconds = 60 }: TokenClaims = {},
  secret = TOKEN_SECRET,
): string => {
  const end = Math.floor(Date.now() / 1_000) - CLOCK_SKEW_S
  const claims = {
    sub,
    aud,
    iat: end,
    exp: end + seconds,
    ...(scope === undefined ? {} : { scope }),
  }
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
