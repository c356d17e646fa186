/** The other ends of the bare programs: bytes into a socket, bytes out of one. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { payloadOf } from './payload.ts'

/** As much as the SDK puts into one batch. */
const WRITE_BYTES = 255 * 1024
const READ_BYTES = 256 * 1024

export interface SendParameters {
  readonly port: number
  readonly durationMs: number
}

export interface Transferred {
  readonly byteCount: number
  readonly elapsedMs: number
}

/** As fast as the socket takes it; ends when the other side has it all. */
export const sendBytes = async ({ port, durationMs }: SendParameters): Promise<Transferred> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  await once(socket, 'connect')
  const chunk = payloadOf(WRITE_BYTES)
  const startedAt = performance.now()
  let byteCount = 0
  while (performance.now() - startedAt < durationMs) {
    byteCount += chunk.length
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  socket.end()
  // Its one byte comes after the last sync.
  await once(socket, 'data')
  const elapsedMs = performance.now() - startedAt
  socket.destroy()
  return { byteCount, elapsedMs }
}

/** Reads to the end and keeps nothing. */
export const receiveFile = ({ port }: { readonly port: number }): Promise<Transferred> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    let byteCount = 0
    const callback = (count: number): boolean => {
      byteCount += count
      return true
    }
    const onread = { buffer: new Uint8Array(READ_BYTES), callback }
    const socket = connect({ port, host: '127.0.0.1', onread })
    socket.on('error', reject)
    socket.on('close', () => resolve({ byteCount, elapsedMs: performance.now() - startedAt }))
  })
