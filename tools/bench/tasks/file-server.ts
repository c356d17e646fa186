/** The bare program that the catch-up read is compared with: files copied to a socket, in order. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type Socket, createServer } from 'node:net'
import type { Report } from './tasks.ts'

const READ_BYTES = 1024 * 1024

export interface ServeFileParameters {
  readonly paths: readonly string[]
}

const sendFiles = async (socket: Socket, paths: readonly string[]): Promise<void> => {
  for (const path of paths) {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      if (!socket.write(chunk as Uint8Array)) await once(socket, 'drain')
    }
  }
  socket.end()
}

/** Reports its port, serves one connection. */
export const serveFile = (parameters: ServeFileParameters, report: Report): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      server.close()
      sendFiles(socket, parameters.paths).then(resolve, reject)
    })
    server.listen(0, '127.0.0.1', () => report((server.address() as { port: number }).port))
  })
