/** Limits of exchanges and bindings, unit last in the name. */

/** In a namespace, with those that are predeclared. */
export const EXCHANGES_COUNT_MAX = 100_000
/** In a namespace; the default exchange's own are not counted. */
export const BINDINGS_COUNT_MAX = 1_000_000
/** That one binding asks for. */
export const BINDING_HEADERS_COUNT_MAX = 1_000
/** Names and values of a binding's headers and labels, or of an exchange's labels. */
export const DEFINITION_BYTES_MAX = 65_536
/** What a binding of a consistent-hash exchange may weigh. */
export const HASH_WEIGHT_MAX = 65_535

/** Results that a namespace remembers, by exchange and routing key. */
export const ROUTE_CACHE_ENTRIES_MAX = 16_384
/** Targets in all remembered results together. */
export const ROUTE_CACHE_TARGETS_MAX = 131_072
/** A result with more is not remembered: finding it again costs little beside visiting it. */
export const ROUTE_CACHE_RESULT_TARGETS_MAX = 4_096
/** A longer routing key is not remembered. */
export const ROUTE_CACHE_KEY_CHARACTERS_MAX = 255

/** Places on a hash ring for a weight of 1, as long as there is room for all. */
export const HASH_PLACES_PER_WEIGHT = 128
/** Places on one hash ring, of all its bindings, and one more a binding. */
export const HASH_PLACES_MAX = 262_144

/** What a message may ask a delayed exchange for: seven weeks. */
export const DELAY_MS_MAX = 2 ** 32 - 1
