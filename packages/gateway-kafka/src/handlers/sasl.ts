/** SaslHandshake and SaslAuthenticate, and the older form in which the messages come alone. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { LoginOutcome } from '../authentication.ts'
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { KafkaError, kafkaErrorOf } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import { saslAuthenticate, saslHandshake } from '../schema/apis/sasl.ts'
import { Suspension } from '../suspension.ts'

const NOTHING = new Uint8Array(0)

export const saslHandshakeHandler: AnyControlHandler = controlHandler({
  api: saslHandshake,
  isForStrangers: true,
  run: ({ authentication }, { mechanism }, version) => {
    const isOffered = authentication.begin(mechanism, version === 0)
    const errorCode = isOffered ? KafkaError.NONE : KafkaError.UNSUPPORTED_SASL_MECHANISM
    return { errorCode, mechanisms: authentication.mechanisms }
  },
})

export const saslAuthenticateHandler: AnyControlHandler = controlHandler({
  api: saslAuthenticate,
  isForStrangers: true,
  run: async (session, { authBytes }) => {
    try {
      const { bytes, lifetimeMs } = await login(session, authBytes)
      const errorCode = KafkaError.NONE
      return { errorCode, errorMessage: null, authBytes: bytes, sessionLifetimeMs: lifetimeMs }
    } catch (error) {
      if (!isBrokerError(error)) throw error
      session.endAfterAnswer(error)
      const errorCode = kafkaErrorOf(error)
      return { errorCode, errorMessage: error.message, authBytes: NOTHING, sessionLifetimeMs: 0 }
    }
  },
})

/** A login on an open connection renews it; nobody becomes somebody else on the way. */
const login = async (session: KafkaSession, bytes: Uint8Array): Promise<LoginOutcome> => {
  const outcome = await session.authentication.step(bytes)
  const { principal } = outcome
  if (principal === undefined || session.isClosed) return outcome
  if (session.isOpen) {
    const { caller } = session.open
    const isSame = caller.principal.isAnonymous || caller.principal.name === principal.name
    if (!isSame) throw new BrokerError('ERR_AUTHENTICATION_FAILED')
  }
  session.enterOpen(principal, outcome.lifetimeMs)
  return outcome
}

/** The old form: a message alone, answered by a message alone; a failure closes the connection. */
export const handleRawToken = (session: KafkaSession, token: Uint8Array): void => {
  void answerRawToken(session, token)
}

const answerRawToken = async (session: KafkaSession, token: Uint8Array): Promise<void> => {
  session.suspend(Suspension.LOGIN)
  try {
    const { bytes } = await login(session, token)
    if (session.isClosed) return
    const answer = new Uint8Array(4 + bytes.length)
    new DataView(answer.buffer).setUint32(0, bytes.length)
    answer.set(bytes, 4)
    session.connection.write(answer)
  } catch (error) {
    session.fail(error)
  } finally {
    session.resume(Suspension.LOGIN)
  }
}
