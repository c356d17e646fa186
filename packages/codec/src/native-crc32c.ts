/**
 * Finds the native CRC-32C, if there is one.
 *
 * `@node-rs/crc32` is an optional dependency and this package runs in browsers too, so a static
 * import is out (a bundler would follow it, a missing binary would throw at load) and so is a dynamic
 * one (top-level await does not survive the CommonJS transform of the tests). What is left is to ask
 * the running process, where there is one, for a `require`; any failure on the way means "no native".
 */
export type Crc32c = (bytes: Uint8Array, initial?: number) => number

interface ModuleBuiltin {
  createRequire(url: string): (name: string) => unknown
}

export interface ProcessScope {
  readonly process?: { getBuiltinModule?(name: string): unknown }
}

export const findNativeCrc32c = (scope: ProcessScope): Crc32c | undefined => {
  try {
    const builtin = scope.process?.getBuiltinModule?.('node:module') as ModuleBuiltin | undefined
    const loaded = builtin?.createRequire(import.meta.url)('@node-rs/crc32') as
      { crc32c?: Crc32c } | undefined
    return loaded?.crc32c
  } catch {
    return undefined
  }
}
