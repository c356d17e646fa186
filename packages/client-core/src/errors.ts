/**
 * The client's own errors: codes of the one table, with what a person can do next. Not a second
 * error class.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'

/** Adds to the text what this side knows; code, scope and retriable stay. */
export const explain = (error: BrokerError, text: string): BrokerError => {
  error.message += `: ${text}`
  return error
}

export const invalidArgument = (name: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [name, reason])

export const closedError = (what: string): BrokerError => new BrokerError('ERR_CLOSED', [what])

export const connectionLost = (reason: string, cause?: unknown): BrokerError =>
  new BrokerError('ERR_CONNECTION_LOST', [reason], { cause })

export const abortedError = (signal: AbortSignal): BrokerError =>
  new BrokerError('ERR_ABORTED', [], { cause: signal.reason })

export const messageOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error)

/** Whatever was thrown, as the one class; a stranger's error becomes the cause. */
export const asBrokerError = (error: unknown): BrokerError => {
  if (isBrokerError(error)) return error
  return explain(new BrokerError('ERR_INTERNAL', [], { cause: error }), messageOf(error))
}

/**
 * A copy for one more receiver: one error object in a thousand promises would share one stack and
 * collect everybody's explanations.
 */
export const explainedCopy = (error: BrokerError, text: string): BrokerError => {
  const copy = BrokerError.received(error.code, error.message)
  copy.cause = error
  return explain(copy, text)
}

export const unknownOutcome = (error: BrokerError): BrokerError =>
  explainedCopy(error, 'the messages in flight may or may not have been stored')
