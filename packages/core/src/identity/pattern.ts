/**
 * Patterns of names: literal text in which `*` stands for any run of characters, also none. There is
 * nothing else to know: `.`, `#`, `[` and the rest are themselves, `\*` is a star and `\\` a
 * backslash. Not regular expressions, and never turned into one.
 *
 * The matcher takes the leftmost place of each piece between stars and never goes back, so its cost
 * is at most the length of the name times that of the pattern, whatever somebody has written.
 */
import { BrokerError, utf8Length } from '@millrace/codec'
import { shownName } from '../names.ts'
import { PATTERN_BYTES_MAX, PATTERN_STARS_COUNT_MAX } from './limits.ts'

export interface NamePattern {
  /** What stands between the stars: one piece means that the name must be equal. */
  readonly pieces: readonly string[]
}

const refuse = (text: string, reason: string): never => {
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['pattern', `'${shownName(text)}': ${reason}`])
}

/** Throws ERR_INVALID_ARGUMENT. */
export const parsePattern = (text: string): NamePattern => {
  if (text.length === 0) refuse(text, 'it is empty: write * for every name')
  if (text.length > PATTERN_BYTES_MAX || utf8Length(text) > PATTERN_BYTES_MAX)
    refuse(text, `it is longer than ${PATTERN_BYTES_MAX} bytes`)
  // eslint-disable-next-line no-control-regex -- naming them is the point
  if (/[\u0000-\u001f\u007f]/u.test(text)) refuse(text, 'it holds a control character')
  const pieces = splitAtStars(text)
  if (pieces.length - 1 > PATTERN_STARS_COUNT_MAX)
    refuse(text, `it has more than ${PATTERN_STARS_COUNT_MAX} stars`)
  return { pieces }
}

const splitAtStars = (text: string): string[] => {
  const pieces: string[] = []
  let piece = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string
    if (character === '*') {
      pieces.push(piece)
      piece = ''
    } else if (character !== '\\') {
      piece += character
    } else {
      const escaped = text[++at]
      if (escaped !== '*' && escaped !== '\\')
        refuse(text, 'a backslash stands before a star or another backslash only')
      piece += escaped
    }
  }
  pieces.push(piece)
  return pieces
}

export const matchesPattern = ({ pieces }: NamePattern, name: string): boolean => {
  const first = pieces[0] as string
  if (pieces.length === 1) return name === first
  const last = pieces.at(-1) as string
  if (name.length < first.length + last.length) return false
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  const end = name.length - last.length
  let at = first.length
  for (let index = 1; index < pieces.length - 1; index++) {
    const piece = pieces[index] as string
    const found = name.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

/** A pattern that this name and no other matches. */
export const escapePattern = (name: string): string => name.replace(/[\\*]/g, '\\$&')
