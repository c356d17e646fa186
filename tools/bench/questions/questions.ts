/** Every question of the bench, in the order they are asked. */
import type { Question } from '../question.ts'
import { amqpBacklog } from './amqp-backlog.ts'
import { amqpFanout } from './amqp-fanout.ts'
import { amqpIdle } from './amqp-idle.ts'
import { amqpLatency } from './amqp-latency.ts'
import { amqpPersistent } from './amqp-persistent.ts'
import { amqpQueues } from './amqp-queues.ts'
import { amqpStart } from './amqp-start.ts'
import { amqpTransient } from './amqp-transient.ts'
import { catchUp } from './catch-up.ts'
import { background } from './background.ts'
import { hundredPartitions } from './hundred-partitions.ts'
import { idempotence } from './idempotence.ts'
import { kafkaFetch } from './kafka-fetch.ts'
import { kafkaProduce } from './kafka-produce.ts'
import { kafkaSingle } from './kafka-single.ts'
import { latency } from './latency.ts'
import { logins } from './logins.ts'
import { memory } from './memory.ts'
import { partitions } from './partitions.ts'
import { produce } from './produce.ts'
import { routing } from './routing.ts'
import { smallRecords } from './small-records.ts'
import { start } from './start.ts'
import { topics } from './topics.ts'

export const questions: readonly Question[] = [
  produce,
  smallRecords,
  partitions,
  topics,
  catchUp,
  latency,
  start,
  memory,
  kafkaProduce,
  kafkaFetch,
  kafkaSingle,
  hundredPartitions,
  background,
  logins,
  idempotence,
  routing,
  amqpPersistent,
  amqpTransient,
  amqpLatency,
  amqpQueues,
  amqpFanout,
  amqpIdle,
  amqpStart,
  amqpBacklog,
]
