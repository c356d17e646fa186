/**
 * Sockets that were let in become connections of a gateway. What is written here is the same for
 * plain TCP and for TLS, and for every protocol.
 */
import type { Socket } from 'node:net'
import type { Connection, Session } from '@millrace/core'
import { type Entry, ignoreError } from './acceptor.ts'
import { SocketChannel } from './channel.ts'
import { ChannelConnection, type ConnectionSurroundings } from './connection.ts'
import { type OnRead, readByEvents, type SharedReader } from './shared-read.ts'

export interface GatewayEntrance {
  readonly surroundings: ConnectionSurroundings
  readonly reader: SharedReader
  readonly accept: (connection: Connection) => Session
}

/** What a listener does with each entry. */
export const createGatewayEntrance =
  ({ surroundings, reader, accept }: GatewayEntrance): ((entry: Entry) => void) =>
  (entry) => {
    const socket = readInto(reader, entry, (bytes) => connection.receive(bytes))
    socket.on('error', ignoreError)
    socket.once('close', () => entry.leave())
    const connection = new ChannelConnection(
      entry.id,
      new SocketChannel(socket, entry, surroundings.files),
      surroundings,
    )
    connection.attach(accept(connection))
  }

/** Only bytes of a plain socket come straight from the operating system. */
const readInto = (reader: SharedReader, { socket, isTls }: Entry, onRead: OnRead): Socket =>
  isTls ? readByEvents(socket, onRead) : reader.adopt(socket, onRead)
