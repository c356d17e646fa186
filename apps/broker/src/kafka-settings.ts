/** What the configuration says to the Kafka gateway. */
import type { KafkaSettings } from '@millrace/gateway-kafka'
import type { ConfigValues } from './config/config-table.ts'
import { INBOUND_HELD_BYTES_TOLERATED } from './limits.ts'
import type { MemoryBudget } from './net/memory-budget.ts'

export const kafkaSettingsOf = (values: ConfigValues, memory: MemoryBudget): KafkaSettings => ({
  namespace: values['kafka.namespace'],
  advertisedHost: values['kafka.advertisedHost'] || undefined,
  advertisedPort: values['kafka.advertisedPort'] || undefined,
  autoCreateTopics: values['topics.autoCreate'],
  memory: {
    bytesMax: memory.bytesMax,
    toleratedBytes: INBOUND_HELD_BYTES_TOLERATED,
    add: (bytes) => memory.add(bytes),
    get isExceeded() {
      return memory.isExceeded
    },
  },
})
