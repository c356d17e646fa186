/**
 * One process per data directory.
 *
 * A lock file alone goes stale at `kill -9`. The lock proper is therefore a name that the kernel
 * drops with the process: on Linux an abstract Unix socket named after the directory's device and
 * inode, elsewhere a socket file inside the directory that is probed by connecting to it. The file
 * `LOCK` holds the process id for people and for the error message only.
 */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

export type LockOutcome =
  | { readonly kind: 'held'; readonly release: () => Promise<void> }
  | { readonly kind: 'taken'; readonly holder: string }

const lockFile = (directory: string): string => path.join(directory, 'LOCK')

const listen = (address: string): Promise<net.Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(address, () => {
      server.unref()
      resolve(server)
    })
  })

const answers = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

const takeAddress = async (directory: string): Promise<net.Server | undefined> => {
  if (process.platform === 'linux') {
    const stats = await fs.promises.stat(directory, { bigint: true })
    return listen(`\0millrace-${stats.dev.toString(16)}-${stats.ino.toString(16)}`)
  }
  const address = path.join(directory, 'LOCK.socket')
  const server = await listen(address)
  if (server !== undefined || (await answers(address))) return server
  await fs.promises.rm(address, { force: true })
  return listen(address)
}

const readHolder = async (directory: string): Promise<string> => {
  try {
    return (await fs.promises.readFile(lockFile(directory), 'utf8')).trim() || 'unknown'
  } catch {
    // The holder may be between taking the name and writing its id: the id is for people only.
    return 'unknown'
  }
}

export const lockDirectory = async (directory: string): Promise<LockOutcome> => {
  const server = await takeAddress(directory)
  if (server === undefined) return { kind: 'taken', holder: await readHolder(directory) }
  await fs.promises.writeFile(lockFile(directory), `${process.pid}\n`)
  const release = async (): Promise<void> => {
    await fs.promises.rm(lockFile(directory), { force: true })
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return { kind: 'held', release }
}
