/** Limits of users and permissions, unit last in the name. docs/identity.md repeats them. */

export const PATTERN_BYTES_MAX = 255
export const PATTERN_STARS_COUNT_MAX = 8
export const USERS_COUNT_MAX = 10_000
/** Of one user; those for every user count as one more. */
export const PERMISSIONS_PER_USER_MAX = 1_000
export const CERTIFICATE_NAMES_COUNT_MAX = 16
export const CREDENTIALS_COUNT_MAX = 8
export const CREDENTIAL_CHARACTERS_MAX = 1_024
/** Decisions remembered by all sessions together. */
export const DECISIONS_COUNT_MAX = 16_384
/** Topics whose decision one session remembers. */
export const SESSION_DECISIONS_COUNT_MAX = 4_096
