/** Limits of queues, units in the names. */

/** Messages of one turn share a batch up to this many bytes or records; a larger one is alone. */
export const BATCH_BYTES_MAX = 65_536
export const BATCH_RECORDS_MAX = 512
export const LONE_MESSAGE_BYTES_MIN = 32_768
/** The same where a delayed exchange keeps them: they are read one by one, and a batch whole. */
export const KEPT_BATCH_BYTES_MAX = 4_096

/** A message with all that belongs to it. */
export const MESSAGE_BYTES_MAX = 16 * 1_048_576
export const LEDGER_SEGMENT_BYTES = 16 * 1_048_576

/** A read of a queue that the disk has failed is tried again after so long. */
export const READ_RETRY_MS = 1_000

/**
 * What a queue keeps of what was just published while somebody waits for it: more than a group of the
 * journal holds, or under load it would never catch up and read everything again.
 */
export const READY_BYTES_MAX = 4 * 1_048_576
export const READY_COUNT_MAX = 8_192
/** Read at once, and when so few are left of what was read. */
export const READ_BYTES = 262_144
export const READ_AHEAD_COUNT_MIN = 256
/** Kept by all queues together of what was just published; beyond it they read it again. */
export const READY_BYTES_TOTAL_MAX = 64 * 1_048_576

/** Settlements are written with the next group, and no later than this. */
export const LEDGER_FLUSH_MS = 50
/** The ledgers of more queues than this at a time do not ride along: each says little, and costs a batch. */
export const RIDING_LEDGERS_MAX = 64
/** They gather for so long then, and a step of `LEDGER_FLUSH_MS` more. */
export const LEDGER_GATHER_MS = 200

/** Messages handed over before other queues and sockets get their turn. */
export const DISPATCH_MESSAGES_MAX = 256

export const QUEUES_PER_NAMESPACE_MAX = 100_000
export const CONSUMERS_PER_QUEUE_MAX = 100_000
export const PRIORITY_MAX = 255
export const DELIVERY_LIMIT_MAX = 1_000_000
/** Before a message that came back is delivered again: 49 days. */
export const REDELIVERY_DELAY_MS_MAX = 0xffff_ffff
/** Looked past for a key that is free, or a consumer's sake. */
export const HELD_MESSAGES_MAX = 1_024
export const DEDUP_IDS_MAX = 1_000_000
/** Of the ids of a window, as UTF-8. */
export const DEDUP_BYTES_MAX = 128 * 1_048_576
export const DEAD_LETTER_ENTRIES_MAX = 64

/** All of a transaction together: it is one group of the journal. */
export const TRANSACTION_BYTES_MAX = 16 * 1_048_576
export const TRANSACTION_OPERATIONS_MAX = 100_000

/** What a non-durable queue keeps in memory however much all of them have there. */
export const MEMORY_BYTES_MIN = 65_536

/** Held after a start before anything that was there expires: a clock may be wrong. */
export const EXPIRY_GRACE_MS = 5_000

/** Released at once: messages, and bytes that are read for them, but for one that is larger. */
export const RELEASE_COUNT_MAX = 512
export const RELEASE_BYTES_MAX = 4 * 1_048_576
/** Read of the log at once where messages that are due stand close together; else one batch is. */
export const RELEASE_READ_BYTES = 65_536
/** Reads of what is due that are under way at once, and how near one message is to the next then. */
export const RELEASE_READS_MAX = 16
export const RELEASE_NEAR_COUNT = 64
/** When a message that a queue had no room for is tried again. */
export const RELEASE_RETRY_MS = 1_000
/** When nothing could be released at all. */
export const RELEASE_PAUSE_MS = 100

/** How often deliveries are looked at that take too long, and settled messages that are kept. */
export const DELIVERY_CHECK_MS = 10_000
/** When a queue that could not be removed is tried again. */
export const DROP_RETRY_MS = 5_000
