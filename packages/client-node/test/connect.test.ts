import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { connect, isBrokerError } from '../src/index.ts'
import {
  type ScriptedBroker,
  connectedFrame,
  frame,
  listen,
  listenPolite,
} from './support/scripted-broker.ts'

const running: ScriptedBroker[] = []

const track = async (starting: Promise<ScriptedBroker>): Promise<ScriptedBroker> => {
  const broker = await starting
  running.push(broker)
  return broker
}

afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop()
  delete process.env['MILLRACE_URL']
})

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('connect', () => {
  it('opens a client over TCP, and close ends the socket in order', async () => {
    const broker = await track(listenPolite())
    const client = await connect(broker.url)
    expect(client.isOpen).toBe(true)
    const ended = new Promise((resolve) => broker.sockets[0]?.once('end', resolve))
    await client.close()
    await ended
    await expect(client.closed).resolves.toBeUndefined()
    expect(client.isOpen).toBe(false)
  })

  it('takes the URL of the environment when none is given', async () => {
    const broker = await track(listenPolite())
    process.env['MILLRACE_URL'] = `${broker.url}/sales`
    const client = await connect()
    expect(Buffer.concat(broker.received).includes('sales')).toBe(true)
    await client.close()
  })

  it('names what to try when nobody listens', async () => {
    const port = await freePort()
    const error: unknown = await connect(`millrace://127.0.0.1:${port}`).catch((it: unknown) => it)
    expect(isBrokerError(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_CONNECT_FAILED', retriable: true })
    expect((error as Error).message).toContain(`millrace://127.0.0.1:${port}`)
    expect((error as Error).message).toContain('ECONNREFUSED')
    expect((error as Error).message).toContain('npm start')
  })

  it('says so when an HTTP server answers', async () => {
    const broker = await track(
      listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')),
    )
    await expect(connect(broker.url)).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
      message: expect.stringContaining('speaks HTTP') as string,
    })
  })

  it('gives up on a listener that says nothing, and closes its socket', async () => {
    const broker = await track(listen(() => undefined))
    const failing = connect(broker.url, { connectTimeoutMs: 50 })
    await expect(failing).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' })
    const [socket] = broker.sockets
    if (socket?.destroyed === false) await new Promise((resolve) => socket.once('close', resolve))
  })

  it('ends on abort', async () => {
    const broker = await track(listen(() => undefined))
    const controller = new AbortController()
    const connecting = connect(broker.url, { signal: controller.signal })
    controller.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('refuses a URL of another protocol', async () => {
    await expect(connect('http://127.0.0.1')).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })

  it('tells of a connection that breaks', async () => {
    const broker = await track(listenPolite())
    const client = await connect(broker.url, { reconnect: false })
    const waiting = client.admin.listTopics().catch((error: unknown) => error)
    broker.sockets[0]?.resetAndDestroy()
    await expect(waiting).resolves.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
    await expect(client.closed).resolves.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
  })

  it('tells of a broker that ends the stream without a word', async () => {
    const broker = await track(listenPolite())
    const client = await connect(broker.url, { reconnect: false })
    broker.sockets[0]?.end()
    await expect(client.closed).resolves.toMatchObject({
      message: 'the connection was lost: the broker ended it',
    })
  })

  it('understands frames that come a byte at a time', async () => {
    const broker = await track(
      listen((socket, opcode, correlation) => {
        if (opcode === 0x05) return void socket.end(frame(0x85, correlation, Buffer.alloc(0)))
        // {topics: []}
        const listed = Buffer.concat([
          Buffer.of(0x81, 0xa6),
          Buffer.from('topics'),
          Buffer.of(0x90),
        ])
        const bytes =
          opcode === 0x01 ? connectedFrame(correlation) : frame(0x91, correlation, listed)
        socket.setNoDelay(true)
        for (const byte of bytes) socket.write(Buffer.of(byte))
      }),
    )
    const client = await connect(broker.url)
    await expect(client.admin.listTopics()).resolves.toEqual([])
    await client.close()
  })
})
