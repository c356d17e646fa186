/** The shape of a rare request: decode, do, answer. A promise each; never used on a hot path. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Action, Resource } from '@millrace/core'
import { CONTROL_LIST_BYTES_MAX, type Frame } from '@millrace/protocol'
import type { NativeSession } from './native-session.ts'

export interface ControlRequest<Body, Answer> {
  readonly decode: (body: Uint8Array) => Body
  readonly answerOpcode: number
  readonly encode: (answer: Answer) => Uint8Array
  readonly run: (session: NativeSession, body: Body) => Answer | Promise<Answer>
}

export const controlHandler =
  <Body, Answer>(request: ControlRequest<Body, Answer>) =>
  (session: NativeSession, frame: Frame): void => {
    void serve(session, request, frame.body, frame.channel, frame.correlation)
  }

const serve = async <Body, Answer>(
  session: NativeSession,
  request: ControlRequest<Body, Answer>,
  body: Uint8Array,
  channel: number,
  correlation: number,
): Promise<void> => {
  session.beginControl()
  try {
    // The body is borrowed: it is decoded before the first await.
    const answer = await request.run(session, request.decode(body))
    session.output.sendInLine(request.answerOpcode, channel, correlation, encode(request, answer))
  } catch (error) {
    session.fail(error, channel, correlation)
  } finally {
    session.endControl()
  }
}

/** An answer that is too long is the request's failure, not the connection's. */
const encode = <Body, Answer>(
  request: ControlRequest<Body, Answer>,
  answer: Answer,
): Uint8Array => {
  try {
    return request.encode(answer)
  } catch (error) {
    if (!isBrokerError(error) || error.code !== 'ERR_BODY_TOO_LARGE') throw error
    const what = 'bytes of one answer: ask for less, with a prefix or for fewer partitions'
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [CONTROL_LIST_BYTES_MAX, what])
  }
}

/** For what the engine is asked in several steps; each of its calls checks by itself. Throws. */
export const checkAllowed = (session: NativeSession, action: Action, topic: string): void => {
  const { caller } = session.open
  const resource: Resource = { kind: 'topic', namespace: caller.namespace, name: topic }
  session.services.broker.identity.check(caller, action, resource)
}
