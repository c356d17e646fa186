/**
 * A 32-bit hash of text: FNV-1a over its UTF-16 units, with MurmurHash3's last mix over it, so that
 * names which differ in their last character lie far apart. The same in every process and version,
 * because hash exchanges promise the same target for the same key. No defence against who chooses
 * keys on purpose; it only decides which of equal targets a message goes to.
 */
const FNV_OFFSET = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193

export const mixHash = (hash: number): number => {
  let mixed = hash
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Unsigned. */
export const hashText = (text: string, seed = 0): number => {
  let hash = FNV_OFFSET ^ seed
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME)
  return mixHash(hash)
}
