/** Tests that one of the brokers cannot pass, and why: the only place where a suite makes a difference. */
import type { AmqpBroker } from './brokers.ts'

interface Exception {
  readonly broker: AmqpBroker['name']
  readonly test: string
  readonly reason: string
}

const exceptions: readonly Exception[] = [
  {
    broker: 'rabbitmq',
    test: 'cloudamqp over WebSocket',
    reason:
      'rabbitmq-server has AMQP over WebSocket neither in Debian nor without its paid edition',
  },
  {
    broker: 'rabbitmq',
    test: 'memory is bounded',
    reason: 'a slow consumer’s messages stay in its memory up to a share of the machine’s',
  },
  {
    broker: 'rabbitmq',
    test: 'filters of streams',
    reason: 'they came with 3.13, Debian has 3.10',
  },
  {
    broker: 'rabbitmq',
    test: 'delayed retries',
    reason: 'they came with 4.3, Debian has 3.10',
  },
  {
    broker: 'rabbitmq',
    test: 'it says why it hangs up',
    reason: 'a table that it cannot read ends its connection without a word',
  },
]

/** Whether the test is to run against the broker. */
export const passes = (broker: AmqpBroker['name'], test: string): boolean =>
  !exceptions.some((one) => one.broker === broker && one.test === test)
