/** How many topics a namespace may hold, as its creator is allowed to have it. */
import { BrokerError } from '@millrace/codec'
import type { Caller } from '../engine/operations.ts'

export interface TopicQuota {
  readonly topicsMax: number
  /** Whom the refusal names. */
  readonly holder: string
}

/** `undefined`: no limit. What the principal has of its own wins over what is there for all. */
export const topicQuotaOf = (caller: Caller, topicsMaxForAll = 0): TopicQuota | undefined => {
  const { name, quotas } = caller.principal
  const topicsMax = quotas?.topics ?? topicsMaxForAll
  return topicsMax > 0 ? { topicsMax, holder: name } : undefined
}

export const checkTopicQuota = (quota: TopicQuota | undefined, topicCount: number): void => {
  if (quota === undefined || topicCount < quota.topicsMax) return
  throw new BrokerError('ERR_QUOTA_EXCEEDED', [quota.topicsMax, 'topics', quota.holder])
}
