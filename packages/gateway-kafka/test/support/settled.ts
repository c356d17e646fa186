/** Turns of the event loop, until something is so. */
const TURNS_MAX = 5_000

export const oneTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

export const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (isSo()) return
    await oneTurn()
  }
  throw new Error(`not within ${TURNS_MAX} turns: ${what}`)
}
