/** The APIs that are served, whatever serves them. */
import type { Api } from './schema/api.ts'
import { apiVersions } from './schema/apis/api-versions.ts'
import { createTopics } from './schema/apis/create-topics.ts'
import { deleteTopics } from './schema/apis/delete-topics.ts'
import { fetch } from './schema/apis/fetch.ts'
import { findCoordinator } from './schema/apis/find-coordinator.ts'
import { initProducerId } from './schema/apis/init-producer-id.ts'
import { listOffsets } from './schema/apis/list-offsets.ts'
import { metadata } from './schema/apis/metadata.ts'
import { produce } from './schema/apis/produce.ts'
import { saslAuthenticate, saslHandshake } from './schema/apis/sasl.ts'

export const servedApis: readonly Api<never, never>[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  findCoordinator,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  initProducerId,
  saslAuthenticate,
] as unknown as readonly Api<never, never>[]
