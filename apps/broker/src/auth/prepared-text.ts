/**
 * User names and passwords in one spelling, so that the same characters typed on two keyboards are
 * the same bytes.
 *
 * Not the whole of SASLprep (RFC 4013): Unicode's NFKC, spaces of every kind to one kind, and no
 * control characters, half surrogates or code points that are none. Unassigned code points and mixed
 * writing directions are let through, as in most implementations.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Co}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]/u

/** `undefined` when it holds what no name or password may hold, or is empty. */
export const prepareText = (text: string): string | undefined => {
  const prepared = text.replace(/\p{Zs}/gu, ' ').normalize('NFKC')
  return prepared === '' || FORBIDDEN.test(prepared) ? undefined : prepared
}
