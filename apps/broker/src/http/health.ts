/**
 * `/livez`: the process answers. `/readyz`: it serves, with its checks under `?verbose`. `/healthz`
 * is another name of `/readyz`. Topics below `persisted` and alarms do not make a broker unready; they
 * are shown so that nobody is surprised.
 */
import type { BrokerStatus } from '@millrace/core'
import type { AlarmWatch } from '../alarms/alarm-watch.ts'
import { type HttpAnswer, type HttpRoute, jsonAnswer } from './http-answer.ts'

export interface HealthSource {
  readonly version: string
  /** False before the broker serves and from the moment it begins to stop. */
  readonly isServing: () => boolean
  readonly status: () => BrokerStatus
  readonly alarms: AlarmWatch
}

export const createHealthRoutes = (source: HealthSource): Readonly<Record<string, HttpRoute>> => {
  const ready = (query: URLSearchParams): HttpAnswer => answerReady(source, query.has('verbose'))
  return {
    '/livez': () => jsonAnswer(200, { status: 'live' }),
    '/readyz': ready,
    '/healthz': ready,
  }
}

const answerReady = (source: HealthSource, isVerbose: boolean): HttpAnswer => {
  const status = source.status()
  const isServing = source.isServing() && status.isServing
  const isReady = isServing && !status.storage.isFull
  const summary = { status: isReady ? 'ready' : 'not ready' }
  const content = isVerbose
    ? { ...summary, version: source.version, checks: check(status, isServing, source.alarms) }
    : summary
  return jsonAnswer(isReady ? 200 : 503, content)
}

const check = (
  status: BrokerStatus,
  isServing: boolean,
  alarms: AlarmWatch,
): Record<string, unknown> => ({
  serving: { ok: isServing },
  storage: {
    ok: !status.storage.isFull,
    isFull: status.storage.isFull,
    syncMsP50: status.storage.syncMsP50,
    syncMsP99: status.storage.syncMsP99,
    offsetsQuarantined: status.storage.offsetsQuarantined,
    recovery: status.storage.recovery,
  },
  alarms: {
    ok: !alarms.isRaised('memory') && !alarms.isRaised('disk'),
    memory: { isRaised: alarms.isRaised('memory'), limitBytes: alarms.limits.memory },
    disk: {
      isRaised: alarms.isRaised('disk'),
      limitBytes: alarms.limits.disk,
      freeBytes: alarms.freeDiskBytes,
    },
    isThrottling: alarms.isThrottling,
  },
  topics: { ok: true, count: status.topicCount, partitions: status.partitionCount },
  durability: {
    ok: status.topicsBelowPersisted.length === 0,
    belowPersisted: status.topicsBelowPersisted,
  },
})
