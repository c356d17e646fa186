/**
 * The order of two strings' UTF-8 bytes, which is that of their code points. It differs from the
 * order of UTF-16 only between surrogates and what lies above them in the basic plane.
 */
export const compareUtf8 = (left: string, right: string): number => {
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)]
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** A surrogate stands for a code point above all of the basic plane. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
