/** FindCoordinator (10): which broker keeps a group. */
import { type Api, defineApi } from '../api.ts'
import { int16, int32, int8 } from '../scalars.ts'
import { array, struct } from '../struct.ts'
import { nullableString, string, stringType } from '../texts.ts'

export interface FindCoordinatorRequest {
  readonly key: string
  readonly keyType: number
  readonly coordinatorKeys: readonly string[]
}

export interface Coordinator {
  readonly key: string
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface FindCoordinatorResponse {
  readonly throttleTimeMs: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly coordinators: readonly Coordinator[]
}

const coordinator = struct<Coordinator>({
  key: string(),
  nodeId: int32(),
  host: string(),
  port: int32(),
  errorCode: int16(),
  errorMessage: nullableString(),
})

export const findCoordinator: Api<FindCoordinatorRequest, FindCoordinatorResponse> = defineApi({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 4],
  flexibleSince: 3,
  request: struct<FindCoordinatorRequest>({
    key: string({ until: 3 }),
    keyType: int8({ since: 1 }),
    coordinatorKeys: array(stringType, { since: 4 }),
  }),
  response: struct<FindCoordinatorResponse>({
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16({ until: 3 }),
    errorMessage: nullableString({ since: 1, until: 3 }),
    nodeId: int32({ until: 3, fallback: -1 }),
    host: string({ until: 3 }),
    port: int32({ until: 3, fallback: -1 }),
    coordinators: array(coordinator, { since: 4 }),
  }),
})
