/** The bare program that the catch-up read is compared with: files copied to a socket, in order. */
import { createReadStream } from 'node:fs'
import { createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Report } from './tasks.ts'

const READ_BYTES = 1024 * 1024

export interface ServeFileParameters {
  readonly paths: readonly string[]
}

/** Reports its port, serves one connection. */
export const serveFile = (parameters: ServeFileParameters, report: Report): Promise<undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      server.close()
      const send = async (): Promise<undefined> => {
        for (const path of parameters.paths) {
          const file = createReadStream(path, { highWaterMark: READ_BYTES })
          await pipeline(file, socket, { end: false })
        }
        socket.end()
        return undefined
      }
      send().then(resolve, reject)
    })
    server.listen(0, '127.0.0.1', () => report((server.address() as { port: number }).port))
  })
