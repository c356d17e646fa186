/**
 * The bare program that the produce path is compared with: a socket copied to a file, a sync for
 * every group of bytes, the next group gathered while the sync runs. No records, no checks, no
 * answers but one at the end.
 */
import { type FileHandle, open, rm } from 'node:fs/promises'
import { type Socket, createServer } from 'node:net'
import type { Report } from './tasks.ts'

/** Gathered and not written: beyond it the socket waits. */
const GATHERED_GROUPS_MAX = 4

export interface CopyParameters {
  readonly path: string
  readonly groupBytes: number
  readonly isSynced: boolean
}

export interface Copied {
  readonly byteCount: number
  readonly groupCount: number
}

class Copy {
  readonly #socket: Socket
  readonly #file: FileHandle
  readonly #parameters: CopyParameters
  readonly #resolve: (copied: Copied) => void
  readonly #reject: (error: unknown) => void
  #chunks: Uint8Array[] = []
  #gatheredBytes = 0
  #byteCount = 0
  #groupCount = 0
  #isWriting = false
  #hasEnded = false

  constructor(
    socket: Socket,
    file: FileHandle,
    parameters: CopyParameters,
    resolve: (copied: Copied) => void,
    reject: (error: unknown) => void,
  ) {
    this.#socket = socket
    this.#file = file
    this.#parameters = parameters
    this.#resolve = resolve
    this.#reject = reject
  }

  start(): void {
    this.#socket.on('error', this.#reject)
    this.#socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      this.#gatheredBytes += chunk.length
      if (this.#gatheredBytes > this.#parameters.groupBytes * GATHERED_GROUPS_MAX) {
        this.#socket.pause()
      }
      this.#writeIfDue()
    })
    this.#socket.on('end', () => {
      this.#hasEnded = true
      this.#writeIfDue()
    })
  }

  #writeIfDue(): void {
    if (this.#isWriting) return
    if (this.#gatheredBytes >= this.#parameters.groupBytes) this.#write()
    else if (this.#hasEnded && this.#gatheredBytes > 0) this.#write()
    else if (this.#hasEnded) this.#finish()
  }

  #write(): void {
    this.#isWriting = true
    this.#writeGroup().then(() => {
      this.#isWriting = false
      if (this.#socket.isPaused() && !this.#hasEnded) this.#socket.resume()
      this.#writeIfDue()
    }, this.#reject)
  }

  async #writeGroup(): Promise<void> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    while (bytes < this.#parameters.groupBytes) {
      const chunk = this.#chunks.shift()
      if (chunk === undefined) break
      chunks.push(chunk)
      bytes += chunk.length
    }
    this.#gatheredBytes -= bytes
    await this.#file.writev(chunks, this.#byteCount)
    if (this.#parameters.isSynced) await this.#file.datasync()
    this.#byteCount += bytes
    this.#groupCount += 1
  }

  #finish(): void {
    this.#socket.end('.', () => {
      this.#resolve({ byteCount: this.#byteCount, groupCount: this.#groupCount })
    })
  }
}

/** Reports its port, takes one connection to its end. */
export const serveCopy = async (parameters: CopyParameters, report: Report): Promise<Copied> => {
  const file = await open(parameters.path, 'w')
  try {
    return await new Promise<Copied>((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        server.close()
        new Copy(socket, file, parameters, resolve, reject).start()
      })
      server.listen(0, '127.0.0.1', () => report((server.address() as { port: number }).port))
    })
  } finally {
    await file.close()
    await rm(parameters.path, { force: true })
  }
}
