/** What a worker can do, and the messages between it and whoever ordered it. */
import { serveAnswers } from './answer-server.ts'
import { consumeAmqp } from './consume-amqp.ts'
import { consumePartitions } from './consume-partitions.ts'
import { consumeRaw } from './consume-raw.ts'
import { consumeWithClient } from './consume-with-client.ts'
import { receiveFile, sendBytes } from './copy-client.ts'
import { serveCopy } from './copy-server.ts'
import { serveFile } from './file-server.ts'
import { paceAmqp } from './pace-amqp.ts'
import { produceAmqp } from './produce-amqp.ts'
import { produceAtRate } from './produce-at-rate.ts'
import { logIn, renewLogin } from './log-in.ts'
import { produceKafkaRaw } from './produce-kafka-raw.ts'
import { producePartitions } from './produce-partitions.ts'
import { produceRaw } from './produce-raw.ts'
import { produceWithClient } from './produce-with-client.ts'
import { routeMessages } from './route-messages.ts'
import { runLibrdkafka } from './run-librdkafka.ts'
import { serveAmqp } from './serve-amqp.ts'
import { syncLoop } from './sync-loop.ts'

/** Tells something before the end: a port, a count. */
export type Report = (progress: number) => void

export interface Tasks {
  readonly consumeAmqp: typeof consumeAmqp
  readonly consumePartitions: typeof consumePartitions
  readonly consumeRaw: typeof consumeRaw
  readonly consumeWithClient: typeof consumeWithClient
  readonly logIn: typeof logIn
  readonly paceAmqp: typeof paceAmqp
  readonly produceAmqp: typeof produceAmqp
  readonly produceAtRate: typeof produceAtRate
  readonly produceKafkaRaw: typeof produceKafkaRaw
  readonly producePartitions: typeof producePartitions
  readonly produceRaw: typeof produceRaw
  readonly produceWithClient: typeof produceWithClient
  readonly receiveFile: typeof receiveFile
  readonly renewLogin: typeof renewLogin
  readonly routeMessages: typeof routeMessages
  readonly runLibrdkafka: typeof runLibrdkafka
  readonly sendBytes: typeof sendBytes
  readonly serveAmqp: typeof serveAmqp
  readonly serveAnswers: typeof serveAnswers
  readonly serveCopy: typeof serveCopy
  readonly serveFile: typeof serveFile
  readonly syncLoop: typeof syncLoop
}

export type TaskName = keyof Tasks
export type ParametersOf<Name extends TaskName> = Parameters<Tasks[Name]>[0]
export type ResultOf<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>

const tasks: Tasks = {
  consumeAmqp,
  consumePartitions,
  consumeRaw,
  consumeWithClient,
  logIn,
  paceAmqp,
  produceAmqp,
  produceAtRate,
  produceKafkaRaw,
  producePartitions,
  produceRaw,
  produceWithClient,
  receiveFile,
  renewLogin,
  routeMessages,
  runLibrdkafka,
  sendBytes,
  serveAmqp,
  serveAnswers,
  serveCopy,
  serveFile,
  syncLoop,
}

export interface Order {
  readonly id: number
  readonly name: TaskName
  readonly parameters: unknown
}

export type Answer =
  | { readonly id: number; readonly progress: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: string }

export const runTask = (name: TaskName, parameters: unknown, report: Report): Promise<unknown> => {
  const run = tasks[name] as (parameters: unknown, report: Report) => Promise<unknown>
  return run(parameters, report)
}
