/**
 * Everything that the connections of a process share, made once: services, gateways, budgets and the
 * routes of the HTTP port. Who adds a protocol adds it to `createGateways`; who adds an authenticator,
 * an authorizer or a counter passes it in here. Opens no port and starts nothing: `server.ts` does.
 */
import { type BrokerError, compressionCodecs } from '@millrace/codec'
import type { Broker, Connection, Gateway, Services, Session } from '@millrace/core'
import { AmqpGateway } from '@millrace/gateway-amqp'
import { KafkaGateway } from '@millrace/gateway-kafka'
import { amqpSettingsOf } from './amqp-settings.ts'
import type { BrokerIdentity } from './auth/broker-identity.ts'
import { limitsOf } from './broker-options.ts'
import type { Guards } from './guards.ts'
import { createHealthRoutes, type HealthSource } from './http/health.ts'
import { createHostRules, type OriginRules } from './http/host-rules.ts'
import { type HttpRoute, HttpServer, type UpgradeRoute } from './http/http-server.ts'
import { localDetails, localRoute } from './http/local-route.ts'
import { createWebSocketRoute, SUBPROTOCOL } from './http/websocket-route.ts'
import { kafkaSettingsOf } from './kafka-settings.ts'
import { createMetricsRoutes, type MetricsSources } from './metrics/metrics-routes.ts'
import { LoopDelayMonitor } from './metrics/process-figures.ts'
import { NativeGateway } from './native/native-gateway.ts'
import type { Certificates } from './net/certificates.ts'
import { CoarseTimers } from './net/coarse-timers.ts'
import type { ConnectionSurroundings } from './net/connection.ts'
import { ConnectionCounter } from './net/connection-counter.ts'
import type { FileBudget } from './net/file-budget.ts'
import { FileSending } from './net/file-sending.ts'
import type { GatewayName } from './net/listener-table.ts'
import { MemoryBudget } from './net/memory-budget.ts'
import { SlabPool } from './net/slab-pool.ts'
import type { SystemCalls } from './net/system-calls.ts'
import { TurnQueue } from './net/turn-queue.ts'
import type { ServerOptions } from './server.ts'

/** A gateway that has a port of its own. */
export interface ListeningGateway extends Gateway {
  readonly sessionCount: number
  /** What a peer is told that gets no session; without it the connection just ends. */
  refusal?(error: BrokerError): Uint8Array
}

export type Gateways = Readonly<Record<GatewayName, ListeningGateway>>

export interface Composition {
  readonly services: Services
  readonly gateways: Gateways
  readonly surroundings: ConnectionSurroundings
  readonly counter: ConnectionCounter
  readonly http: HttpServer
  /** HTTP connections have a budget of their own, so that health can be asked for when all is full. */
  readonly httpCounter: ConnectionCounter
  /** `undefined`: no TLS. */
  readonly certificates: Certificates | undefined
}

const createServices = (
  options: ServerOptions,
  broker: Broker,
  identity: BrokerIdentity,
  { meters, quotas, alarms, strangers }: Guards,
): Services => ({
  codecs: Object.keys(compressionCodecs),
  broker,
  authenticator: identity.authenticator,
  authorizer: identity.authorizer,
  passwords: identity.passwords,
  environment: options.environment,
  limits: limitsOf(options.values),
  meters,
  quotas,
  alarms,
  strangers,
})

const createGateways = (
  { values, version }: ServerOptions,
  { timers, memory }: ConnectionSurroundings,
): Gateways => ({
  native: new NativeGateway(
    {
      brokerVersion: version,
      heartbeatMs: values['native.heartbeat'],
      autoCreateTopics: values['topics.autoCreate'],
    },
    timers,
    memory,
  ),
  kafka: new KafkaGateway(kafkaSettingsOf(values, memory)),
  amqp: new AmqpGateway(amqpSettingsOf(values, memory)),
})

const sessionCountsOf = (gateways: Gateways): ReadonlyMap<string, number> =>
  new Map(Object.entries(gateways).map(([name, { sessionCount }]) => [name, sessionCount]))

const createSurroundings = (
  { values, environment }: ServerOptions,
  { meters }: Guards,
  calls: SystemCalls | undefined,
): ConnectionSurroundings => ({
  files: calls && new FileSending(calls, (callback) => environment.timers.defer(callback)),
  slabs: new SlabPool(),
  turns: new TurnQueue((callback) => environment.timers.defer(callback)),
  timers: new CoarseTimers(environment.clock, environment.timers),
  memory: new MemoryBudget(values['limits.bufferBytes']),
  outboundBytesMax: values['limits.outboundBytes'],
  onCutOff: ({ id, remoteAddress }, { code, message }) => {
    meters.countError(code)
    environment.log.warn('connection.cut-off', {
      connection: id,
      peer: remoteAddress,
      code,
      reason: message,
    })
  },
})

const healthRoutes = (
  source: HealthSource,
  { isRequired }: BrokerIdentity,
): Readonly<Record<string, HttpRoute>> =>
  Object.fromEntries(
    Object.entries(createHealthRoutes(source)).map(([path, route]) => [
      path,
      localDetails(route, isRequired),
    ]),
  )

const metricsRoutes = (
  sources: MetricsSources,
  { isRequired }: BrokerIdentity,
): Readonly<Record<string, HttpRoute>> => {
  const routes = createMetricsRoutes(sources)
  const perObject = routes['/metrics/per-object']
  if (perObject === undefined) return routes
  return { ...routes, '/metrics/per-object': localRoute(perObject, isRequired) }
}

export interface CompositionParts {
  readonly broker: Broker
  readonly identity: BrokerIdentity
  readonly files: FileBudget
  readonly certificates: Certificates | undefined
  readonly guards: Guards
  readonly origins: OriginRules
  /** `undefined`: nothing is sent from files. */
  readonly systemCalls: SystemCalls | undefined
  /** False before the broker serves and from the moment it begins to stop. */
  readonly isServing: () => boolean
}

export const compose = (options: ServerOptions, parts: CompositionParts): Composition => {
  const { broker, identity, files, certificates, guards, origins, isServing } = parts
  const { version } = options
  const surroundings = createSurroundings(options, guards, parts.systemCalls)
  const gateways = createGateways(options, surroundings)
  const counter = new ConnectionCounter(files.connections)
  const status = () => broker.status()
  const { timers } = surroundings
  const { values, environment } = options
  const services = createServices(options, broker, identity, guards)
  const doorTo = (subprotocol: string, gateway: GatewayName): UpgradeRoute =>
    createWebSocketRoute({
      counter,
      surroundings,
      log: environment.log,
      origins,
      isServing,
      subprotocol,
      isSubprotocolOptional: gateway === 'amqp',
      accept: (connection: Connection): Session => gateways[gateway].accept(connection, services),
    })
  const http = new HttpServer({
    log: environment.log,
    timers,
    requestMsMax: services.limits.handshakeMsMax,
    hosts: createHostRules(values.host, values['http.hosts']),
    upgrades: { '/ws': doorTo(SUBPROTOCOL, 'native'), '/amqp': doorTo('amqp', 'amqp') },
    routes: {
      ...healthRoutes({ version, status, isServing, alarms: guards.alarms }, identity),
      ...metricsRoutes(
        {
          version,
          broker,
          counter,
          guards,
          memory: surroundings.memory,
          fileSending: surroundings.files,
          timers: options.environment.timers,
          sessionCounts: () => sessionCountsOf(gateways),
          loopDelay: new LoopDelayMonitor(),
          topicsMax: options.values['metrics.objectsMax'],
        },
        identity,
      ),
    },
  })
  const httpCounter = new ConnectionCounter(files.httpConnections)
  return { services, gateways, surroundings, counter, http, httpCounter, certificates }
}
