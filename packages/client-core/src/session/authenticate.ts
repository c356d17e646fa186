/** AUTHENTICATE for as long as the broker asks: in the handshake, and again before credentials expire. */
import { BrokerError } from '@millrace/codec'
import { Opcode, decodeAuthenticated, encodeAuthenticate } from '@millrace/protocol'
import type { Authenticator } from '../auth/exchange.ts'
import { call } from './call.ts'
import type { Connection } from './connection.ts'

const AUTHENTICATION_STEPS_MAX = 16

const NOTHING = new Uint8Array(0)

export interface AuthenticationRun {
  readonly connection: Connection
  readonly login: Authenticator
  readonly timeoutMs: number
}

/** From a challenge on; how long the credentials are good for, if the broker said so. */
export const answerChallenges = async (
  { connection, login, timeoutMs }: AuthenticationRun,
  first: Uint8Array,
  mechanism: string | undefined,
): Promise<number | undefined> => {
  let response = first
  for (let step = 0; step < AUTHENTICATION_STEPS_MAX; step++) {
    const named = step === 0 ? mechanism : undefined
    const body = encodeAuthenticate({ mechanism: named, response })
    const answer = await call(connection, Opcode.AUTHENTICATE, body, decodeAuthenticated, {
      timeoutMs,
    })
    if (answer.authenticated) {
      login.complete?.(answer.challenge)
      return answer.expiresInMs
    }
    response = await login.respond(answer.challenge ?? NOTHING)
  }
  throw new BrokerError('ERR_AUTHENTICATION_FAILED')
}

/** On an open connection: the same principal shows newer credentials. */
export const renewCredentials = async (run: AuthenticationRun): Promise<number | undefined> => {
  const { initial = NOTHING, mechanism } = run.login
  return answerChallenges(run, initial, mechanism)
}
