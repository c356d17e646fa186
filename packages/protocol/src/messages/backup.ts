/**
 * BACKUP: a consistent copy of everything, in the directory that the broker is configured with.
 *
 * ```
 * BACKUP    { name?: str }
 * BACKED_UP { name: str, path: str, files: int, bytes: int, durationMs: int }
 * ```
 * A name is 1 to 100 of `A-Z a-z 0-9 . _ -`, begins with a letter or digit and does not end with
 * `.partial`; without one the broker's clock gives it.
 */
import { optionalInteger, optionalString, requireInteger, requireString } from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface Backup {
  readonly name?: string | undefined
}

export interface BackedUp {
  readonly name: string
  /** On the broker's machine. */
  readonly path: string
  readonly files: number
  readonly bytes: number
  readonly durationMs: number
}

export const encodeBackup = (request: Backup): Uint8Array => encodeControl(request)

export const decodeBackup = (body: Uint8Array): Backup => ({
  name: optionalString(decodeControl(body), 'name', undefined),
})

export const encodeBackedUp = (answer: BackedUp): Uint8Array => encodeControl(answer)

export const decodeBackedUp = (body: Uint8Array): BackedUp => {
  const map = decodeControl(body)
  return {
    name: requireString(map, 'name'),
    path: requireString(map, 'path'),
    files: requireInteger(map, 'files', 0, Number.MAX_SAFE_INTEGER),
    bytes: requireInteger(map, 'bytes', 0, Number.MAX_SAFE_INTEGER),
    durationMs: optionalInteger(map, 'durationMs', 0, Number.MAX_SAFE_INTEGER, 0),
  }
}
