/** Names and bounds that all parts of the simulator share. */
export const NAMESPACES = ['/', 'tenant'] as const
export const TOPIC_NAMES = ['orders', 'events', 'audit', 'scratch'] as const
export const DATA_DIRECTORY = '/data'

/** Simulated time after which a broker that was asked for something is stuck for good. */
export const STUCK_AFTER_MS = 60_000

export const callerOf = (
  namespace: string,
): { principal: { name: string; isAnonymous: boolean }; namespace: string } => ({
  principal: { name: 'simulated', isAnonymous: false },
  namespace,
})

export const logName = (topicId: number, partition: number): string => `${topicId}/${partition}`
