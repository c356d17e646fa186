/** From a row of the table to a listener. */
import { BrokerError } from '@millrace/codec'
import type { Composition } from '../composition.ts'
import type { ConfigValues } from '../config/config-table.ts'
import { encodeAnswer, jsonAnswer } from '../http/http-answer.ts'
import { Acceptor, type Entry } from './acceptor.ts'
import type { ConnectionCounter } from './connection-counter.ts'
import { createGatewayEntrance } from './gateway-entrance.ts'
import type { Listener } from './listener.ts'
import type { GatewayName, ListenerRow } from './listener-table.ts'
import { SharedReader } from './shared-read.ts'
import { TlsAcceptor } from './tls-acceptor.ts'

/** What stands behind a port, and how it turns peers away. */
interface Entrance {
  readonly counter: ConnectionCounter
  readonly pauseOnConnect: boolean
  readonly allowHalfOpen: boolean
  readonly onEntry: (entry: Entry) => void
  readonly refusal: (error: BrokerError) => Uint8Array | undefined
}

const PLAIN_ON_TLS = new BrokerError('ERR_MALFORMED_FRAME', [
  'the peer speaks plainly, and this port speaks TLS: check the port and the TLS setting',
])

/** `undefined` when the configuration has none. */
export const createListener = (
  row: ListenerRow,
  values: ConfigValues,
  composition: Composition,
): Listener | undefined => {
  const port = values[row.portKey]
  const { speaks, name, isTls } = row
  const entrance =
    speaks === 'http' ? createHttpEntrance(composition) : createEntrance(speaks, composition)
  if (port === 'off') return undefined
  const { services, surroundings, certificates } = composition
  const options = { ...entrance, name, host: values.host, port, log: services.environment.log }
  if (!isTls) return new Acceptor(options)
  if (certificates === undefined) return undefined
  return new TlsAcceptor({
    ...options,
    certificates,
    timers: surroundings.timers,
    handshakeMsMax: services.limits.handshakeMsMax,
    plainRefusal: () => entrance.refusal(PLAIN_ON_TLS),
  })
}

const createEntrance = (
  name: GatewayName,
  { gateways, services, surroundings, counter }: Composition,
): Entrance => {
  const gateway = gateways[name]
  return {
    counter,
    pauseOnConnect: true,
    allowHalfOpen: false,
    onEntry: createGatewayEntrance({
      surroundings,
      reader: new SharedReader(),
      accept: (connection) => gateway.accept(connection, services),
    }),
    refusal: (error) => gateway.refusal?.(error),
  }
}

const createHttpEntrance = ({ http, httpCounter }: Composition): Entrance => ({
  counter: httpCounter,
  pauseOnConnect: false,
  allowHalfOpen: true,
  onEntry: (entry) => http.accept(entry),
  refusal: ({ code, message }) =>
    encodeAnswer(jsonAnswer(code === 'ERR_CONNECTION_LIMIT' ? 503 : 400, { error: message })),
})
