/** How long from the command to a broker that talks AMQP? */
import type { Bench } from '../bench.ts'
import type { Contender } from '../contender.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf } from '../statistics.ts'
import { AmqpConnection } from '../tasks/amqp-connection.ts'

/** On an empty directory, to the end of the first handshake. */
const startOnce = async (bench: Bench, start: () => Promise<Contender>): Promise<number> => {
  const beganAt = performance.now()
  const { amqpPort } = await start()
  const connection = await AmqpConnection.open(amqpPort)
  const elapsedMs = performance.now() - beganAt
  connection.destroy()
  await bench.closeAll()
  return elapsedMs
}

const rowOf = (name: string, elapsedMs: readonly number[]): Row => ({
  label: `${name}: from the command to the first open AMQP connection`,
  unit: 'ms',
  measured: spreadOf(elapsedMs),
  target: undefined,
  facts: [],
})

const answer = async (bench: Bench): Promise<Answer> => {
  const { first, second } = await interleave(
    bench.repeats,
    () => startOnce(bench, () => bench.broker()),
    () => startOnce(bench, () => bench.rabbitMq()),
  )
  return { rows: [rowOf('Millrace', first), rowOf('RabbitMQ', second)], durability: 'persisted' }
}

export const amqpStart: Question = {
  name: 'amqp-start',
  title: 'AMQP: from the command to the first connection, on empty directories, beside RabbitMQ',
  answer,
}
