/** Limits of logging in, unit last in the name. docs/identity.md repeats those that one can meet. */

export const PASSWORD_CHARACTERS_MIN = 8
export const PASSWORD_BYTES_MAX = 1_024
/** One message of a mechanism; a token is the longest there is. */
export const MESSAGE_BYTES_MAX = 6 * 1_024
export const NONCE_CHARACTERS_MAX = 256
/** Steps of one exchange: no mechanism needs more than three. */
export const STEPS_COUNT_MAX = 4

/** scrypt with 2^15 × 8 takes 32 MiB and a core for about 70 ms. */
export const SCRYPT_LOG2_COST = 15
export const SCRYPT_LOG2_COST_MAX = 20
export const SCRYPT_RUNNING_COUNT_MAX = 2
export const SCRYPT_WAITING_COUNT_MAX = 256

export const SCRAM_ITERATIONS_COUNT_MIN = 4_096
export const SCRAM_ITERATIONS_COUNT_MAX = 1_000_000

export const VERIFIED_LOGIN_MS = 5 * 60_000
export const VERIFIED_LOGINS_COUNT_MAX = 10_000

/** So many failures of a user from an address are free; each one more doubles the wait. */
export const USER_FAILURES_FREE_COUNT = 3
export const ADDRESS_FAILURES_FREE_COUNT = 20
export const LOGIN_DELAY_MS_MIN = 1_000
export const LOGIN_DELAY_MS_MAX = 60_000
/** Without a failure for so long an address or user begins anew. */
export const FAILURES_FORGOTTEN_MS = 15 * 60_000
export const FAILURES_KEPT_COUNT_MAX = 20_000

export const TOKEN_SECRET_BYTES_MIN = 32
export const TOKEN_CLOCK_SKEW_S = 30
export const TOKEN_SCOPES_COUNT_MAX = 64
export const KEY_SET_BYTES_MAX = 1_048_576
export const KEY_SET_FETCH_MS_MAX = 5_000
export const KEY_SET_KEPT_MS = 10 * 60_000
/** A key that is not in the set has it fetched again, not more often than this. */
export const KEY_SET_COOLDOWN_MS = 30_000
export const KEY_FILE_BYTES_MAX = 1_048_576
