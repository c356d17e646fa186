/** ApiVersions: what is served; the one request that is answered whatever its version is. */
import type { AnyControlHandler } from '../control-answer.ts'
import { ControlAnswer, controlHandler } from '../control-answer.ts'
import { KafkaError } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import type { ApiRange, ApiVersionsResponse } from '../schema/apis/api-versions.ts'
import { apiVersions, NO_FEATURES } from '../schema/apis/api-versions.ts'
import { servedApis } from '../served-apis.ts'

const ranges: readonly ApiRange[] = servedApis
  .map(({ key, offeredSince, last }) => ({
    apiKey: key,
    minVersion: offeredSince,
    maxVersion: last,
  }))
  .sort((left, right) => left.apiKey - right.apiKey)

const responseOf = (errorCode: number): ApiVersionsResponse => ({
  errorCode,
  apiKeys: ranges,
  throttleTimeMs: 0,
  supportedFeatures: NO_FEATURES,
  finalizedFeaturesEpoch: -1,
  finalizedFeatures: NO_FEATURES,
  zkMigrationReady: false,
})

export const apiVersionsHandler: AnyControlHandler = controlHandler({
  api: apiVersions,
  isForStrangers: true,
  run: () => responseOf(KafkaError.NONE),
})

const refusal: AnyControlHandler = controlHandler({
  api: apiVersions,
  run: () => responseOf(KafkaError.UNSUPPORTED_VERSION),
})

/** A client from the future cannot know our layouts: it gets that of version 0. */
export const unsupportedApiVersions = (
  session: KafkaSession,
  correlation: number,
): ControlAnswer => {
  const first = refusal.api.version(0)
  if (first === undefined) throw new TypeError('ApiVersions 0 is not described')
  return new ControlAnswer(session, refusal, first, correlation, undefined)
}
