/** Every limit of the gateway that is not the broker's own, unit last in the name. */

/** Before a peer has shown who it is. */
export const HANDSHAKE_FRAME_BYTES_MAX = 8 * 1024
/** What a request may hold besides its batches. */
export const REQUEST_HEAD_BYTES_MAX = 64 * 1024
/** The protocol's own bound: classic strings have a signed 16-bit length. */
export const STRING_BYTES_MAX = 32_767

/** A request that spans reads begins in a buffer of at most this. */
export const ASSEMBLY_BYTES_MIN = 64 * 1024
/** One that is larger goes on in a pooled buffer of this size: a megabyte of records and its head. */
export const POOLED_FRAME_BYTES = 1024 * 1024 + 128 * 1024
/** Pooled buffers kept for the next request: 36 MiB. */
export const FREE_FRAMES_COUNT_MAX = 32
/** A peer that has begun a request sends at least so much of it … */
export const PROGRESS_BYTES_MIN = 1_024
/** … every so often, or is cut off. */
export const PROGRESS_MS_MAX = 30_000

/** While an alarm throttles, one request of a connection that publishes is read so often. */
export const THROTTLED_READ_MS = 5_000

/** Topics that a connection keeps open. */
export const OPEN_TOPICS_COUNT_MAX = 10_000
/** What one fetch brings at most, however much it asks for; one larger batch is always let through. */
export const FETCH_BYTES_MAX = 16 * 1024 * 1024
/** A longer wait of a long poll is cut to this. */
export const FETCH_WAIT_MS_MAX = 60_000
/** Topics, partitions, settings: the elements of all arrays of a request together. */
export const REQUEST_ELEMENTS_COUNT_MAX = 100_000
/** Requests other than those that carry batches. */
export const CONTROL_FRAME_BYTES_MAX = 1024 * 1024
