/**
 * A real listener on a free port that speaks just enough by hand: it knows frame headers and a
 * CONNECTED written down in bytes, so that these tests see the socket and not a codec.
 */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'

/** {version: 1, authenticated: true, heartbeatMs: 0, frameBytesMax: 1048576, …} in MessagePack. */
const connectedBody = (): Buffer => {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.of(0xa0 | value.length), Buffer.from(value)])
  const uint32 = (value: number): Buffer => {
    const bytes = Buffer.of(0xce, 0, 0, 0, 0)
    bytes.writeUInt32BE(value, 1)
    return bytes
  }
  const fields: readonly (readonly [string, Buffer])[] = [
    ['version', Buffer.of(1)],
    ['authenticated', Buffer.of(0xc3)],
    ['heartbeatMs', Buffer.of(0)],
    ['frameBytesMax', uint32(262_144)],
    ['bodyBytesMax', uint32(16_777_216)],
    ['batchBytesMax', uint32(16_000_000)],
    ['inFlightCountMax', Buffer.of(100)],
  ]
  const pairs = fields.flatMap(([name, value]) => [text(name), value])
  return Buffer.concat([Buffer.of(0x80 | fields.length), ...pairs])
}

export const frame = (opcode: number, correlation: number, body: Uint8Array): Buffer => {
  const header = Buffer.alloc(12)
  header.writeUInt32BE(8 + body.length, 0)
  header[4] = opcode
  header.writeUInt32BE(correlation, 8)
  return Buffer.concat([header, body])
}

export const connectedFrame = (correlation: number): Buffer =>
  frame(0x81, correlation, connectedBody())

export interface ScriptedBroker {
  readonly url: string
  readonly sockets: Socket[]
  readonly received: Buffer[]
  stop(): Promise<void>
}

/** `onFrame` gets each whole frame: opcode, correlation and body. */
export const listen = async (
  onFrame: (socket: Socket, opcode: number, correlation: number, body: Buffer) => void,
): Promise<ScriptedBroker> => {
  const sockets: Socket[] = []
  const received: Buffer[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    let rest = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      received.push(chunk)
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 12 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const end = 4 + rest.readUInt32BE(0)
        const [head, body] = [rest.subarray(0, 12), rest.subarray(12, end)]
        rest = rest.subarray(end)
        onFrame(socket, head[4] as number, head.readUInt32BE(8), body)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `millrace://127.0.0.1:${port}`, sockets, received, stop }
}

/** Answers CONNECT and CLOSE, and hands the rest on. */
export const listenPolite = (
  onOther: (socket: Socket, opcode: number, correlation: number, body: Buffer) => void = () =>
    undefined,
): Promise<ScriptedBroker> =>
  listen((socket, opcode, correlation, body) => {
    if (opcode === 0x01) socket.write(connectedFrame(correlation))
    else if (opcode === 0x05) socket.end(frame(0x85, correlation, Buffer.alloc(0)))
    else onOther(socket, opcode, correlation, body)
  })
