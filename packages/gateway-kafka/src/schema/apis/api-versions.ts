/** ApiVersions (18): which APIs and versions are served. */
import { type Api, defineApi } from '../api.ts'
import { boolean, int16, int32, int64 } from '../scalars.ts'
import { array, struct } from '../struct.ts'
import { string } from '../texts.ts'

export const API_VERSIONS_KEY = 18

export interface ApiVersionsRequest {
  readonly clientSoftwareName: string
  readonly clientSoftwareVersion: string
}

export interface ApiRange {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

interface SupportedFeature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
}

interface FinalizedFeature {
  readonly name: string
  readonly maxVersionLevel: number
  readonly minVersionLevel: number
}

export interface ApiVersionsResponse {
  readonly errorCode: number
  readonly apiKeys: readonly ApiRange[]
  readonly throttleTimeMs: number
  readonly supportedFeatures: readonly SupportedFeature[]
  readonly finalizedFeaturesEpoch: number
  readonly finalizedFeatures: readonly FinalizedFeature[]
  readonly zkMigrationReady: boolean
}

/** The same array when nothing is said: tagged fields are sent when they differ from it. */
export const NO_FEATURES: readonly never[] = []

const supportedFeature = struct<SupportedFeature>({
  name: string(),
  minVersion: int16(),
  maxVersion: int16(),
})

const finalizedFeature = struct<FinalizedFeature>({
  name: string(),
  maxVersionLevel: int16(),
  minVersionLevel: int16(),
})

export const apiVersions: Api<ApiVersionsRequest, ApiVersionsResponse> = defineApi({
  key: API_VERSIONS_KEY,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleSince: 3,
  request: struct<ApiVersionsRequest>({
    clientSoftwareName: string({ since: 3 }),
    clientSoftwareVersion: string({ since: 3 }),
  }),
  response: struct<ApiVersionsResponse>({
    errorCode: int16(),
    apiKeys: array(struct<ApiRange>({ apiKey: int16(), minVersion: int16(), maxVersion: int16() })),
    throttleTimeMs: int32({ since: 1 }),
    supportedFeatures: array(supportedFeature, { since: 3, tag: 0, fallback: NO_FEATURES }),
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, fallback: -1 }),
    finalizedFeatures: array(finalizedFeature, { since: 3, tag: 2, fallback: NO_FEATURES }),
    zkMigrationReady: boolean({ since: 3, tag: 3 }),
  }),
})
