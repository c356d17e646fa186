/** Fetch: begins when its turn comes; see `fetch-answer.ts`. */
import type { BrokerError } from '@millrace/codec'
import { FetchAnswer } from '../fetch-answer.ts'
import type { KafkaSession } from '../kafka-session.ts'
import type { OpenSession } from '../open-session.ts'
import type { ApiVersion } from '../schema/api.ts'
import { FETCH_ZSTD_SINCE, type FetchRequest, type FetchResponse } from '../schema/apis/fetch.ts'

export const handleFetch = (
  open: OpenSession,
  session: KafkaSession,
  version: ApiVersion<FetchRequest, FetchResponse>,
  correlation: number,
  request: FetchRequest,
): void => {
  const { broker, environment } = session.services
  const engine = version.version < FETCH_ZSTD_SINCE ? open.engineWithoutZstd() : open.engine
  const { caller, topics } = open
  const onReady = (): void => session.pump()
  const onBug = (error: unknown): void => session.fail(error)
  const onFailure = (error: BrokerError): void => session.countError(error)
  const mayStayInFile = session.connection.sendsFiles === true
  const known = { broker, caller, engine, topics, environment, mayStayInFile }
  const surroundings = { ...known, onReady, onFailure, onBug }
  session.enqueue(new FetchAnswer(surroundings, version, correlation, request))
}
