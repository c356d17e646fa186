/** Turns of the event loop, until something is so: the disk behind the engine takes its time. */
const WITHIN_MS = 10_000

export const oneTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

export const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const deadline = performance.now() + WITHIN_MS
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within ${WITHIN_MS} ms: ${what}`)
    await oneTurn()
  }
}
