/**
 * Responses on their way out. Small responses of a turn gather here and leave in one write; leases
 * stand between the bytes and go to the socket as they are.
 *
 * ```
 *   bytes:   | size | header | body … records length |          … rest of the body | size | header …
 *   leases:                                          ^ lease 0                   ^ lease 1
 * ```
 * Invariant: every lease that was handed in is either sent or released, once.
 */
import { ByteWriter } from '@millrace/codec'
import type { Connection, ReadLease } from '@millrace/core'

const SIZE_BYTES = 4

interface PlacedLease {
  readonly at: number
  readonly lease: ReadLease
}

export class MessageWriter extends ByteWriter {
  #leases: PlacedLease[] = []
  #leaseBytes = 0

  /** Bytes that wait to be sent, those of leases included. */
  get gatheredBytes(): number {
    return this.position + this.#leaseBytes
  }

  /** Opens a response; its size is filled in by `endFrame`. */
  beginFrame(): { readonly at: number; readonly leaseBytes: number } {
    return { at: this.reserve(SIZE_BYTES), leaseBytes: this.#leaseBytes }
  }

  endFrame(frame: { readonly at: number; readonly leaseBytes: number }): void {
    const bytes = this.position - frame.at - SIZE_BYTES
    this.patchUint32(frame.at, bytes + this.#leaseBytes - frame.leaseBytes)
  }

  /** The lease's bytes stand here in the response. */
  lease(lease: ReadLease): void {
    this.#leases.push({ at: this.position, lease })
    this.#leaseBytes += lease.byteLength
  }

  /** Hands everything to the connection. False: it takes no more for now. */
  sendTo(connection: Connection): boolean {
    const bytes = this.finish()
    const leases = this.#leases
    this.#clear()
    let from = 0
    let isTaken = true
    for (const { at, lease } of leases) {
      // The lease follows at once, and its answer counts for both.
      if (at > from) connection.write(bytes.subarray(from, at))
      isTaken = connection.sendRange(lease)
      from = at
    }
    return bytes.length > from ? connection.write(bytes.subarray(from)) : isTaken
  }

  /** Nobody will read it: gives the leases back. */
  discard(): void {
    const leases = this.#leases
    this.#clear()
    for (const { lease } of leases) lease.release()
  }

  #clear(): void {
    this.#leases = []
    this.#leaseBytes = 0
    this.reset()
  }
}
