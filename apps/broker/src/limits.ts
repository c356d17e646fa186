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

/** Sent from a file by one system call. */
export const FILE_BYTES_PER_CALL_MAX = 256 * 1024
/** Sent from files by all connections together; then the others have their turn. */
export const FILE_BYTES_PER_TURN_MAX = 1024 * 1024
/** Read and written where a socket takes no more for now, to be told when it does. */
export const FILE_COPY_BYTES = 16 * 1024

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

/** Connections of one address whose peers have not shown who they are. */
export const STRANGERS_PER_ADDRESS_DEFAULT = 1_024
/** What all such peers together may make us hold of unfinished frames. */
export const STRANGER_BYTES_DEFAULT = 16 * 1024 * 1024

/** A principal that was quiet may send or be sent this long's worth of bytes at once. */
export const QUOTA_BURST_MS = 1_000
/** A debt that would take longer to pay is cut to this, or one large batch could stop a peer for hours. */
export const QUOTA_DEBT_MS_MAX = 30_000

/** From this many principals on, those that are gone and owe nothing are forgotten. */
export const QUOTA_LEDGERS_SWEPT_AT = 1_000

/** How often memory and disk are looked at. */
export const ALARM_LOOK_MS = 1_000
/** How often a peer that is not read because of an alarm is written to, heartbeat or not. */
export const THROTTLED_PING_MS = 5_000
/** While memory is short garbage is collected once in so many looks. */
export const LOOKS_PER_COLLECTION = 10
/** A broker that was busy and is idle for so many looks gives memory back. Shares are of a core. */
export const IDLE_LOOK_MS = 5_000
export const IDLE_LOOKS = 2
export const IDLE_CPU_SHARE = 0.02
export const BUSY_CPU_SHARE = 0.1
/** Of a larger heap garbage is not collected for this: the pause would be felt. */
export const IDLE_COLLECTION_HEAP_BYTES_MAX = 256 * 1024 * 1024
export const DISK_FREE_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024

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

/** Messages of one connection whose confirm is still to come. */
export const PUBLISH_IN_FLIGHT_COUNT_MAX = 16_384
/** Deliveries of one consumer that are not settled, also where it asks for no limit. */
export const UNSETTLED_COUNT_MAX = 65_536
/** A delivery that is larger goes out in a frame of its own, its payload as it is. */
export const DELIVERY_COPIED_BYTES_MAX = 8 * 1024
/** Deliveries gather in one frame up to this. */
export const DELIVERY_FRAME_BYTES = 32 * 1024

/** Several frames of the native protocol; more go into the next message. */
export const WEBSOCKET_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
export const WEBSOCKET_FRAGMENTS_MAX = 1_024
/** Pings and pongs of one peer. */
export const WEBSOCKET_CONTROLS_PER_SECOND_MAX = 32
/** While more waits for a peer its pings are not answered. */
export const WEBSOCKET_PONG_QUEUE_BYTES_MAX = 64 * 1024

/** From the first byte of a connection to its finished TLS handshake, and `limits.handshakeTime` at most. */
export const TLS_HANDSHAKE_MS_MAX = 5_000
/** How often the files of certificates are looked at. */
export const CERTIFICATE_LOOK_MS = 1_000
/** A certificate that lasts less is worth a warning. */
export const CERTIFICATE_EXPIRY_WARNING_MS = 14 * 24 * 60 * 60 * 1_000

export const HTTP_HEADER_BYTES_MAX = 8 * 1024
export const HTTP_CONNECTIONS_COUNT_MAX = 256
export const HTTP_URL_CHARACTERS_MAX = 2_048

/** Topics on the page of metrics per object, and partitions of all of them. */
export const METRIC_TOPICS_COUNT_DEFAULT = 1_000
export const METRIC_PARTITIONS_COUNT_MAX = 50_000
/** Made in one go; then the others have their turn. */
export const METRIC_PARTITIONS_PER_TURN = 500

export const SHUTDOWN_MS_DEFAULT = 30_000
/** What a record of `pub` may hold: a line, or all of standard input. Brokers take no more. */
export const INPUT_RECORD_BYTES_MAX = 16 * 1024 * 1024
