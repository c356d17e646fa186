/**
 * A disk in memory that writes down every call, and can hold calls back or fail them by hand. It has
 * no crash model: for the order of calls only.
 */
import type { Disk, DiskFile, DiskLock, OpenMode } from '../../src/environment/disk.ts'
import type { Environment } from '../../src/environment/environment.ts'

export type CallKind = 'open' | 'write' | 'sync' | 'syncDirectory' | 'truncate' | 'remove' | 'close'

interface Held {
  readonly what: string
  readonly go: () => void
  readonly fail: (error: unknown) => void
}

export const errorOf = (code: string): Error => Object.assign(new Error(code), { code })

export class RecordingDisk implements Disk {
  readonly calls: string[] = []
  readonly held: Held[] = []
  readonly files = new Map<string, Uint8Array>()
  readonly directories = new Set<string>()
  /** Calls whose words match wait in `held`. */
  holds: (what: string) => boolean = () => false
  /** The code with which a call whose words match is to fail. */
  fails: (what: string) => string | undefined = () => undefined

  async call<T>(what: string, effect: () => T): Promise<T> {
    this.calls.push(what)
    const code = this.fails(what)
    if (this.holds(what))
      await new Promise<void>((go, fail) => {
        this.held.push({ what, go, fail })
      })
    if (code !== undefined) throw errorOf(code)
    const result = effect()
    this.calls.push(`${what} done`)
    return result
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.call(`open ${path} ${mode}`, () => {
      const isThere = this.files.has(path)
      if (mode === 'create' && isThere) throw errorOf('EEXIST')
      if (mode !== 'create' && !isThere) throw errorOf('ENOENT')
      if (!isThere) this.files.set(path, new Uint8Array(0))
      return new RecordingFile(this, path)
    })
  }

  async makeDirectory(path: string): Promise<void> {
    this.directories.add(path)
  }

  async list(path: string): Promise<string[]> {
    const names = [...this.files.keys()]
      .filter((file) => file.startsWith(`${path}/`))
      .map((file) => file.slice(path.length + 1))
    if (names.length === 0 && !this.directories.has(path)) throw errorOf('ENOENT')
    return names
  }

  rename(source: string, target: string): Promise<void> {
    return this.call(`rename ${source} ${target}`, () => {
      this.files.set(target, this.files.get(source) ?? new Uint8Array(0))
      this.files.delete(source)
    })
  }

  link(source: string, target: string): Promise<void> {
    return this.call(`link ${source} ${target}`, () => {
      this.files.set(target, this.files.get(source) ?? new Uint8Array(0))
    })
  }

  remove(path: string): Promise<void> {
    return this.call(`remove ${path}`, () => {
      if (!this.files.delete(path)) throw errorOf('ENOENT')
    })
  }

  async removeDirectory(path: string): Promise<void> {
    this.directories.delete(path)
  }

  syncDirectory(path: string): Promise<void> {
    return this.call(`syncDirectory ${path}`, () => undefined)
  }

  async sizeOf(path: string): Promise<number | undefined> {
    return this.files.get(path)?.length
  }

  async freeBytes(): Promise<number> {
    return Number.MAX_SAFE_INTEGER
  }

  async lock(): Promise<DiskLock> {
    return { release: () => Promise.resolve() }
  }
}

class RecordingFile implements DiskFile {
  readonly path: string
  readonly #disk: RecordingDisk

  constructor(disk: RecordingDisk, path: string) {
    this.#disk = disk
    this.path = path
  }

  #bytes(): Uint8Array {
    return this.#disk.files.get(this.path) ?? new Uint8Array(0)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const part = this.#bytes().subarray(position, position + target.length)
    target.set(part)
    return part.length
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(parts)
    return this.#disk.call(`write ${this.path} ${bytes.length}`, () => {
      const before = this.#bytes()
      const after = new Uint8Array(Math.max(before.length, position + bytes.length))
      after.set(before)
      after.set(bytes, position)
      this.#disk.files.set(this.path, after)
    })
  }

  sync(): Promise<void> {
    return this.#disk.call(`sync ${this.path}`, () => undefined)
  }

  truncate(bytes: number): Promise<void> {
    return this.#disk.call(`truncate ${this.path} ${bytes}`, () => {
      this.#disk.files.set(this.path, this.#bytes().slice(0, bytes))
    })
  }

  async size(): Promise<number> {
    return this.#bytes().length
  }

  close(): Promise<void> {
    return this.#disk.call(`close ${this.path}`, () => undefined)
  }
}

export interface ManualTimer {
  readonly delayMs: number
  readonly callback: () => void
  isCancelled: boolean
}

/** Real turns of the event loop for `defer`, timers that fire by hand, a clock that stands. */
export const recordingEnvironment = (
  disk: Disk,
): { environment: Environment; timers: ManualTimer[] } => {
  const timers: ManualTimer[] = []
  let word = 0
  const environment: Environment = {
    clock: { now: () => 1_000, monotonic: () => 0 },
    timers: {
      after: (delayMs, callback) => {
        const timer: ManualTimer = { delayMs, callback, isCancelled: false }
        timers.push(timer)
        return { cancel: () => (timer.isCancelled = true) }
      },
      defer: (callback) => void setImmediate(callback),
    },
    random: { uint32: () => ++word },
    disk,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  }
  return { environment, timers }
}

/** Lets everything happen that can happen by itself. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
}
