/** gzip by node:zlib, which keeps the bound itself. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { damaged, tooLarge } from './bound.ts'

const FAST_LEVEL = 1

export const compressGzip = (bytes: Uint8Array): Uint8Array =>
  gzipSync(bytes, { level: FAST_LEVEL })

export const decompressGzip = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax })
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax)
    throw damaged('gzip', error)
  }
}
