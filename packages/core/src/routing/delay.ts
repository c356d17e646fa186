/**
 * How long a message asks to be kept, as its neutral header says it: a decimal of milliseconds. What
 * is no number asks for nothing, and so does nothing and less than nothing: a delay that has been
 * waited for has the other sign.
 */
import { BrokerError, reservedHeaders, utf8Decode, utf8Encode } from '@millrace/codec'
import type { RecordHeader } from '@millrace/codec'
import { DELAY_MS_MAX } from './limits.ts'
import type { RoutedMessage } from './route-target.ts'

const NAME = reservedHeaders.delay.name
/** Longer texts are no numbers that anybody means. */
const TEXT_BYTES_MAX = 32
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:e\+?\d+)?$/
const MINUS = '-'

const textOf = (value: Uint8Array | null): string | undefined => {
  if (value === null || value.length > TEXT_BYTES_MAX) return undefined
  const text = utf8Decode(value)
  return NUMBER.test(text) ? text : undefined
}

/** Whole milliseconds; a part of one counts as one. */
export const delayOf = (message: Pick<RoutedMessage, 'neutralHeaders'>): number => {
  const found = message.neutralHeaders().find(({ key }) => key === NAME)
  const text = found === undefined ? undefined : textOf(found.value)
  return text === undefined ? 0 : Math.ceil(Number(text))
}

/** Throws ERR_INVALID_ARGUMENT. */
export const checkDelay = (delayMs: number): void => {
  if (delayMs > DELAY_MS_MAX)
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['delay', `it is longer than ${DELAY_MS_MAX} ms`])
}

/** The same text with the other sign. */
export const negated = (text: string): string =>
  text.startsWith(MINUS) ? text.slice(1) : MINUS + text.replace(/^\+/, '')

/** Neutral headers with the delay that was waited for; the same when they ask for none. */
export const negateDelay = (headers: readonly RecordHeader[]): readonly RecordHeader[] =>
  headers.map((header) => {
    const text = header.key === NAME ? textOf(header.value) : undefined
    return text === undefined ? header : { key: NAME, value: utf8Encode(negated(text)) }
  })
