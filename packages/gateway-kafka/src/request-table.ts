/** Who serves which API. Produce and Fetch are on the hot path and not in the table. */
import type { AnyControlHandler } from './control-answer.ts'
import { apiVersionsHandler } from './handlers/api-versions.ts'
import { createTopicsHandler } from './handlers/create-topics.ts'
import { deleteTopicsHandler } from './handlers/delete-topics.ts'
import { findCoordinatorHandler } from './handlers/find-coordinator.ts'
import { initProducerIdHandler } from './handlers/init-producer-id.ts'
import { listOffsetsHandler } from './handlers/list-offsets.ts'
import { metadataHandler } from './handlers/metadata.ts'
import { saslAuthenticateHandler, saslHandshakeHandler } from './handlers/sasl.ts'

const handlers: readonly AnyControlHandler[] = [
  apiVersionsHandler,
  createTopicsHandler,
  deleteTopicsHandler,
  findCoordinatorHandler,
  initProducerIdHandler,
  listOffsetsHandler,
  metadataHandler,
  saslAuthenticateHandler,
  saslHandshakeHandler,
]

export const controlHandlers: ReadonlyMap<number, AnyControlHandler> = new Map(
  handlers.map((handler) => [handler.api.key, handler]),
)
