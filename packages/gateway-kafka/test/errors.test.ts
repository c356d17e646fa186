import { BrokerError, type ErrorCode, errorTable } from '@millrace/codec'
import { createRequire } from 'node:module'
import { KafkaError, kafkaErrorOf, kafkaErrorOfCluster } from '../src/errors.ts'

interface NamedCode {
  readonly type: string
  readonly code: number
}

const require = createRequire(__filename)
const { errorCodes } = require('kafkajs/src/protocol/error') as { errorCodes: NamedCode[] }

const codes = Object.keys(errorTable) as ErrorCode[]

it.each(codes)('%s has words in Kafka', (code) => {
  expect(Object.values(KafkaError)).toContain(kafkaErrorOf(new BrokerError(code)))
  expect(kafkaErrorOf(new BrokerError(code))).not.toBe(KafkaError.NONE)
})

/** Newer than kafkajs, or renamed since it was written. */
const laterNames: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  6: 'NOT_LEADER_OR_FOLLOWER',
  15: 'COORDINATOR_NOT_AVAILABLE',
  89: 'THROTTLING_QUOTA_EXCEEDED',
  91: 'RESOURCE_NOT_FOUND',
  92: 'DUPLICATE_RESOURCE',
  100: 'UNKNOWN_TOPIC_ID',
}

it.each(Object.entries(KafkaError).filter(([, code]) => code !== 0))(
  '%s is %d for kafkajs too',
  (name, code) => {
    const known = laterNames[code] ?? errorCodes.find((error) => error.code === code)?.type
    expect(known).toBe(name)
  },
)

it('says whether a refusal is about a topic or about the broker', () => {
  const refusal = new BrokerError('ERR_NOT_AUTHORIZED', ['anna', 'write', 'orders'])
  expect(kafkaErrorOf(refusal)).toBe(KafkaError.TOPIC_AUTHORIZATION_FAILED)
  expect(kafkaErrorOfCluster(refusal)).toBe(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
})
