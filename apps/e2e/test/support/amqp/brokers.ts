/**
 * The brokers that every AMQP suite runs against: Millrace, and Debian's rabbitmq-server, which keeps
 * the suites honest.
 */
import { randomUUID } from 'node:crypto'
import { launchMillrace } from './millrace.ts'
import { launchRabbitmq } from './rabbitmq.ts'

export interface AmqpBroker {
  readonly name: 'rabbitmq' | 'millrace'
  readonly port: number
  readonly url: string
  /** `undefined` when it does not speak AMQP over WebSocket. */
  readonly webSocketUrl: string | undefined
  pid(): number
  /** What it wrote to its output, when that is for a test to look at. */
  output?(): string
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<void>
  /** After `kill`: on the same directory and the same ports. */
  start(): Promise<void>
  /** The suite is done with it. */
  release(): Promise<void>
}

export interface AmqpBrokerKind {
  readonly name: AmqpBroker['name']
  launch(): Promise<AmqpBroker>
}

export const amqpBrokers: readonly AmqpBrokerKind[] = [
  { name: 'rabbitmq', launch: launchRabbitmq },
  { name: 'millrace', launch: launchMillrace },
]

export const restart = async (broker: AmqpBroker): Promise<void> => {
  await broker.kill()
  await broker.start()
}

/** A name that no other test has. */
export const unique = (name: string): string => `${name}.${randomUUID().slice(0, 8)}`
