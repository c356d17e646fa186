/**
 * What every platform offers and `lib: es2023` leaves out. This package has `types: []`, so that a
 * stray `Buffer` or `node:` import does not compile; only what Node and browsers share stands here.
 */
declare global {
  class TextEncoder {
    encode(text?: string): Uint8Array<ArrayBuffer>
    encodeInto(text: string, target: Uint8Array): { read: number; written: number }
  }

  class TextDecoder {
    constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
    decode(bytes?: Uint8Array): string
  }

  interface AbortSignal {
    readonly aborted: boolean
    readonly reason: unknown
    addEventListener(type: 'abort', listener: () => void): void
    removeEventListener(type: 'abort', listener: () => void): void
  }

  class AbortController {
    readonly signal: AbortSignal
    abort(reason?: unknown): void
  }

  class URL {
    constructor(text: string)
    readonly protocol: string
    readonly hostname: string
    readonly port: string
    readonly pathname: string
    readonly username: string
    readonly password: string
    readonly search: string
    readonly hash: string
  }
}

export {}
