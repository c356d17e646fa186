/**
 * FindCoordinator: nobody coordinates groups or transactions here, and it is said so. It is served at
 * all because librdkafka takes its presence for the ability to read lz4.
 */
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { KafkaError } from '../errors.ts'
import { type Coordinator, findCoordinator } from '../schema/apis/find-coordinator.ts'

const errorMessage = 'this broker serves no consumer groups and no transactions to Kafka clients'
const nobody = { nodeId: -1, host: '', port: -1, errorCode: KafkaError.UNSUPPORTED_VERSION }

export const findCoordinatorHandler: AnyControlHandler = controlHandler({
  api: findCoordinator,
  run: (_session, { coordinatorKeys }) => ({
    throttleTimeMs: 0,
    ...nobody,
    errorMessage,
    coordinators: coordinatorKeys.map((key): Coordinator => ({ key, ...nobody, errorMessage })),
  }),
})
