/**
 * FindCoordinator: nobody coordinates groups or transactions here, and it is said so. It is served at
 * all because librdkafka takes its presence for the ability to read lz4.
 *
 * A group's coordinator is "not available" rather than "not supported": librdkafka hands the latter
 * to every consumer that has a `group.id`, also to one that was assigned its partitions by hand and
 * reads without a group.
 */
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { KafkaError } from '../errors.ts'
import { type Coordinator, findCoordinator } from '../schema/apis/find-coordinator.ts'

const KEY_OF_GROUP = 0

const nobody = { nodeId: -1, host: '', port: -1 }
const noGroups = {
  ...nobody,
  errorCode: KafkaError.COORDINATOR_NOT_AVAILABLE,
  errorMessage: 'this broker serves no consumer groups to Kafka clients',
}
const noTransactions = {
  ...nobody,
  errorCode: KafkaError.UNSUPPORTED_VERSION,
  errorMessage: 'this broker serves no transactions to Kafka clients',
}

export const findCoordinatorHandler: AnyControlHandler = controlHandler({
  api: findCoordinator,
  run: (_session, { keyType, coordinatorKeys }) => {
    const answer = keyType === KEY_OF_GROUP ? noGroups : noTransactions
    const coordinators = coordinatorKeys.map((key): Coordinator => ({ key, ...answer }))
    return { throttleTimeMs: 0, ...answer, coordinators }
  },
})
