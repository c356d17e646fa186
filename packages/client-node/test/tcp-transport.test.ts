import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import type { Link } from '@millrace/client-core'
import { tcpTransport } from '../src/tcp-transport.ts'

interface Pair {
  readonly link: Link
  readonly peer: Socket
  readonly received: Buffer[]
  readonly drained: Promise<void>
  readonly closed: Promise<Error | undefined>
}

let server: Server

const open = async (): Promise<Pair> => {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const received: Buffer[] = []
  const { port } = server.address() as AddressInfo
  const address = { scheme: 'millrace' as const, host: '127.0.0.1', port, path: '', url: '' }
  let onDrain: () => void = () => undefined
  let onClose: (error: Error | undefined) => void = () => undefined
  const drained = new Promise<void>((resolve) => (onDrain = resolve))
  const closed = new Promise<Error | undefined>((resolve) => (onClose = resolve))
  const handlers = {
    // Borrowed for the call: a copy.
    onData: (chunk: Uint8Array) => void received.push(Buffer.from(chunk)),
    onDrain: () => onDrain(),
    onClose: (error: Error | undefined) => onClose(error),
  }
  const link = await tcpTransport.connect(address, handlers, new AbortController().signal)
  return { link, peer: await accepted, received, drained, closed }
}

const readBytes = (peer: Socket, count: number): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    peer.on('data', (chunk) => {
      chunks.push(chunk)
      length += chunk.length
      if (length >= count) resolve(Buffer.concat(chunks))
    })
  })

beforeEach(async () => {
  server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(() => new Promise((resolve) => server.close(resolve)))

describe('a TCP link', () => {
  it('sends small chunks joined and large ones as they are, in order', async () => {
    const { link, peer, closed } = await open()
    const large = Buffer.alloc(300_000, 'b')
    const reading = readBytes(peer, 300_006)
    expect(link.write([Buffer.from('a'), Buffer.from('a')], 2)).toBe(true)
    expect(link.write([Buffer.from('aa'), large, Buffer.from('cc')], 300_004)).toBe(true)
    const bytes = await reading
    expect(bytes.equals(Buffer.concat([Buffer.from('aaaa'), large, Buffer.from('cc')]))).toBe(true)
    link.close()
    await closed
  })

  it('asks for a pause when a peer does not read, and tells when it does again', async () => {
    const { link, peer, drained, closed } = await open()
    peer.pause()
    const chunk = Buffer.alloc(1024 * 1024)
    let count = 0
    while (link.write([chunk], chunk.length)) {
      count += 1
      expect(count).toBeLessThan(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    peer.resume()
    await drained
    link.destroy()
    await closed
  })

  it('stops reading while it is paused', async () => {
    const { link, peer, received, closed } = await open()
    link.pause()
    peer.end('late')
    await new Promise((resolve) => peer.once('finish', resolve))
    await new Promise((resolve) => setImmediate(resolve))
    expect(received).toEqual([])
    link.resume()
    await closed
    expect(Buffer.concat(received).toString()).toBe('late')
  })

  it('sends what was written before it closes', async () => {
    const { link, peer, closed } = await open()
    const reading = readBytes(peer, 2_000_000)
    link.write([Buffer.alloc(2_000_000)], 2_000_000)
    link.close()
    expect((await reading).length).toBe(2_000_000)
    await expect(closed).resolves.toBeUndefined()
  })

  it('tells why it broke', async () => {
    const { peer, closed } = await open()
    peer.resetAndDestroy()
    await expect(closed).resolves.toMatchObject({ code: 'ECONNRESET' })
  })

  it('does not open when the signal was aborted before', async () => {
    const { port } = server.address() as AddressInfo
    const address = { scheme: 'millrace' as const, host: '127.0.0.1', port, path: '', url: '' }
    const handlers = { onData: jest.fn(), onDrain: jest.fn(), onClose: jest.fn() }
    const signal = AbortSignal.abort(new Error('no'))
    await expect(tcpTransport.connect(address, handlers, signal)).rejects.toThrow('no')
    expect(handlers.onClose).not.toHaveBeenCalled()
  })
})
