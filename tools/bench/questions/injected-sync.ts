/** How much longer a sync takes where a slower disk is played. */
export const INJECTED_SYNC_MS = 5
