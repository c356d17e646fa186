/** Every limit of the gateway that is not the broker's own, unit last in the name. */

/** Before a peer has shown who it is; the protocol asks for at least 4 KiB. */
export const HANDSHAKE_FRAME_BYTES_MAX = 8 * 1024
/** What AMQP lets a peer negotiate at least. */
export const FRAME_BYTES_MIN = 4_096
export const FRAME_BYTES_DEFAULT = 128 * 1024
export const CHANNELS_COUNT_DEFAULT = 2_047
export const CHANNELS_COUNT_MAX = 65_535
export const HEARTBEAT_SECONDS_DEFAULT = 60
export const HEARTBEAT_SECONDS_MAX = 65_535
export const MESSAGE_BYTES_DEFAULT = 16 * 1024 * 1024
export const MESSAGE_BYTES_MAX = 128 * 1024 * 1024

/** Tables in tables and lists. */
export const FIELD_DEPTH_MAX = 64
export const SHORT_STRING_BYTES_MAX = 255

/** A frame or message that spans reads begins in a buffer of at most this, and grows as it comes. */
export const ASSEMBLY_BYTES_MIN = 4 * 1024
/** A peer that has begun a frame goes on with it this often, or is cut off. */
export const PROGRESS_MS_MAX = 30_000
/** … by at least so much. */
export const PROGRESS_BYTES_MIN = 1_024

/** Texts remembered by their bytes: exchanges, queues and routing keys. */
export const NAMES_KEPT_COUNT = 4_096
/** Longer texts are decoded each time. */
export const NAME_KEPT_BYTES_MAX = 128

/** Payloads up to this are copied beside their frames, larger ones are written as they lie. */
export const COPIED_PAYLOAD_BYTES_MAX = 4 * 1024
/** A busy connection gathers this much before it hands it on within a turn. */
export const GATHERED_BYTES_MAX = 64 * 1024
/** What a quiet connection gathers in. */
export const GATHERED_BYTES_MIN = 4 * 1024

/** While an alarm throttles, a connection that publishes is read so often. */
export const THROTTLED_READ_MS = 5_000
/** How long a peer that was told to go has to say that it heard. */
export const CLOSE_WAIT_MS_MAX = 5_000

/** Publications of a channel whose confirm is still to come. */
export const PUBLICATIONS_IN_FLIGHT_COUNT_MAX = 16_384

/** Publications and settlements of one transaction: what the engine commits at most. */
export const TRANSACTION_STEPS_COUNT_MAX = 100_000
export const TRANSACTION_BYTES_MAX = 16 * 1024 * 1024

/** Replies to a peer that does not keep up; those beyond are dropped. */
export const DIRECT_REPLY_BYTES_MAX = 8 * 1024 * 1024

/** Bytes of a stream asked for at a time, and held for a consumer that has no credit. */
export const STREAM_CREDIT_BYTES = 256 * 1024

/** The largest delivery tag that a number can tell from its neighbours. */
export const DELIVERY_TAG_MAX: number = Number.MAX_SAFE_INTEGER
