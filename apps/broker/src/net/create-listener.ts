/** From a row of the table to a listener. */
import type { Composition } from '../composition.ts'
import type { ConfigValues } from '../config/config-table.ts'
import { HttpServer } from '../http/http-server.ts'
import type { Listener } from './listener.ts'
import type { ListenerRow } from './listener-table.ts'
import { TcpListener } from './tcp-listener.ts'

/** `undefined` when the configuration, or this build, has none. */
export const createListener = (
  row: ListenerRow,
  values: ConfigValues,
  composition: Composition,
): Listener | undefined => {
  const port = values[row.portKey]
  if (port === 'off') return undefined
  if (row.kind === 'http') return createHttpListener(values.host, port, composition)
  return createGatewayListener(row, values.host, port, composition)
}

const createHttpListener = (host: string, port: number, composition: Composition): Listener =>
  new HttpServer({
    host,
    port,
    connectionsMax: composition.httpConnectionsMax,
    log: composition.services.environment.log,
    routes: composition.routes,
  })

const createGatewayListener = (
  row: ListenerRow,
  host: string,
  port: number,
  { gateways, services, surroundings, counter }: Composition,
): Listener | undefined => {
  const gateway = gateways[row.gateway]
  if (gateway === undefined) return undefined
  return new TcpListener({
    name: row.name,
    host,
    port,
    log: services.environment.log,
    counter,
    surroundings,
    accept: (connection) => gateway.accept(connection, services),
    refusal: (error) => gateway.refusal?.(error),
  })
}
