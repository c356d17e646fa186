/**
 * Every limit of the broker process that is not part of the protocol, unit last in the name. Those
 * that an operator may move stand in `config/config-table.ts` and take their defaults from here.
 */

/** Smaller writes are copied into a slab, larger ones go out as they are. */
export const COPIED_WRITE_BYTES_MAX = 4 * 1024
export const SLAB_BYTES = 64 * 1024
/** Slabs kept for the next connection that needs one: 8 MiB. */
export const SLABS_KEPT_COUNT_MAX = 128

/** Above it `write` says "stop"; below a quarter of it the session is told to go on. */
export const OUTBOUND_HIGH_WATER_BYTES = 512 * 1024
/** At most this much goes to the operating system in one piece. */
export const FLUSH_BYTES = 256 * 1024

/** All connections read into one buffer of this size. */
export const READ_BUFFER_BYTES = 256 * 1024

/** One peer's bytes in one go; then the others have their turn. */
export const READ_BYTES_PER_TURN_MAX = 512 * 1024

/** How long a connection that said its last word waits for the peer to hang up. */
export const LINGER_MS_MAX = 2_000
/** A peer that takes nothing of what waits for it for this long is cut off. */
export const OUTBOUND_STALL_MS_MAX = 30_000

export const TIMER_TICK_MS = 100
export const TIMER_SLOTS_COUNT = 512

export const CONNECTIONS_COUNT_DEFAULT = 10_000
export const HANDSHAKE_MS_DEFAULT = 10_000
export const IN_FLIGHT_COUNT_DEFAULT = 1_024
export const IN_FLIGHT_BYTES_DEFAULT = 64 * 1024 * 1024
export const OUTBOUND_BYTES_DEFAULT = 64 * 1024 * 1024
export const BUFFER_BYTES_DEFAULT = 1024 * 1024 * 1024
/** A connection that holds less than this is not the one to cut off when the budget is spent. */
export const INBOUND_HELD_BYTES_TOLERATED = 256 * 1024
export const SUBSCRIPTIONS_COUNT_DEFAULT = 1_000

/** Topics one connection may hold open. */
export const HANDLES_COUNT_MAX = 10_000
/** A longer wait of a long poll is cut to this. */
export const FETCH_WAIT_MS_MAX = 60_000
/** No fetch is cut below this, however much the others have asked for. */
export const FETCH_BYTES_MIN = 64 * 1024
export const FETCH_BYTES_MAX = 16 * 1024 * 1024
export const DELIVERY_BYTES_DEFAULT = 256 * 1024
export const DELIVERY_BYTES_MAX = 4 * 1024 * 1024
/** All partitions of one subscription together hold at most about this much for a peer without credit. */
export const SUBSCRIPTION_HELD_BYTES = 16 * 1024 * 1024
export const DELIVERY_BYTES_MIN = 16 * 1024
export const CREDIT_BYTES_MAX = 0xffff_ffff

export const HTTP_HEADER_BYTES_MAX = 8 * 1024
export const HTTP_REQUEST_MS_MAX = 10_000
export const HTTP_CONNECTIONS_COUNT_MAX = 256
export const HTTP_URL_CHARACTERS_MAX = 2_048

export const SHUTDOWN_MS_DEFAULT = 30_000
/** What a record of `pub` may hold: a line, or all of standard input. Brokers take no more. */
export const INPUT_RECORD_BYTES_MAX = 16 * 1024 * 1024
