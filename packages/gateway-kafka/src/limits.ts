/** Every limit of the gateway that is not the broker's own, unit last in the name. */

/** Before a peer has shown who it is. */
export const HANDSHAKE_FRAME_BYTES_MAX = 8 * 1024
/** What a request may hold besides its batches. */
export const REQUEST_HEAD_BYTES_MAX = 64 * 1024
/** The protocol's own bound: classic strings have a signed 16-bit length. */
export const STRING_BYTES_MAX = 32_767

/** Memory for a request grows with what has come, in steps of at least this. */
export const ASSEMBLY_BYTES_MIN = 16 * 1024
/** A peer that has begun a request sends at least so much of it … */
export const PROGRESS_BYTES_MIN = 1_024
/** … every so often, or is cut off. */
export const PROGRESS_MS_MAX = 30_000

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
