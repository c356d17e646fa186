/** Limits of what looks after the data, units in the names. */

/** One checksum of a sidecar covers so many bytes of a segment. */
export const SIDECAR_BLOCK_BYTES = 262_144

/** Read at once while a segment is checked, unless one batch is larger. */
export const CHECK_WINDOW_BYTES = 1_048_576

/** A segment that was just sealed is read back at this rate at most, to make its sidecar. */
export const SIDECAR_BYTES_PER_SECOND = 64 * 1_048_576

/** How often the scrubber looks for segments that are due. */
export const SCRUB_LOOK_MS = 60_000

/** Damaged ranges that one report lists; it counts them all. */
export const REPORT_RANGES_MAX = 100

/** Names of backups: what a peer may choose never leads out of the directory. */
export const BACKUP_NAME_CHARACTERS_MAX = 100
