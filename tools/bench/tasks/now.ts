/** Milliseconds that processes of one machine agree on. */
export const sharedNow = (): number => performance.timeOrigin + performance.now()
