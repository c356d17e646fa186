/** What the configuration says to the AMQP gateway. */
import type { AmqpSettings } from '@millrace/gateway-amqp'
import type { ConfigValues } from './config/config-table.ts'
import { INBOUND_HELD_BYTES_TOLERATED } from './limits.ts'
import type { MemoryBudget } from './net/memory-budget.ts'

const SECOND_MS = 1_000

export const amqpSettingsOf = (values: ConfigValues, memory: MemoryBudget): AmqpSettings => ({
  product: values['amqp.product'],
  version: values['amqp.version'],
  heartbeatSeconds: Math.ceil(values['amqp.heartbeat'] / SECOND_MS),
  frameBytesMax: values['amqp.frameBytesMax'],
  channelsMax: values['amqp.channelsMax'],
  messageBytesMax: values['amqp.messageBytesMax'],
  memory: {
    bytesMax: memory.bytesMax,
    toleratedBytes: INBOUND_HELD_BYTES_TOLERATED,
    add: (bytes) => memory.add(bytes),
    get isExceeded() {
      return memory.isExceeded
    },
  },
})
