/** One request as a promise: for control requests and fetches, never per message. */
import type { BrokerError } from '@millrace/codec'
import { abortedError } from '../errors.ts'
import type { Connection } from './connection.ts'
import type { AnswerSink } from './request-map.ts'

export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Told when it failed: whether the broker may have done it all the same. */
  readonly outcome?: CallOutcome | undefined
}

export interface CallOutcome {
  isUnknown: boolean
}

/**
 * Sends the request and decodes the answer. `decode` runs while the body is valid; a body that is
 * not its own is borrowed. Rejects with a BrokerError; an abort leaves the request to the broker.
 */
export const call = <T>(
  connection: Connection,
  opcode: number,
  body: Uint8Array,
  decode: (body: Uint8Array, isOwned: boolean) => T,
  { timeoutMs, signal, outcome }: CallOptions,
): Promise<T> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) throw abortedError(signal)
    const settle = (): void => signal?.removeEventListener('abort', onAbort)
    const sink: AnswerSink = {
      onAnswer: (answer, isOwned) => {
        resolve(decode(answer, isOwned))
        settle()
      },
      onError: (error: BrokerError, isUnknown: boolean) => {
        if (outcome !== undefined) outcome.isUnknown = isUnknown
        reject(error)
        settle()
      },
    }
    const correlation = connection.request(opcode, 0, [body], sink, timeoutMs)
    const onAbort = (): void => {
      connection.abandon(correlation)
      settle()
      reject(abortedError(signal as AbortSignal))
    }
    signal?.addEventListener('abort', onAbort)
  })
