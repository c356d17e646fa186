/** Two contenders in turns, A B A B: what drifts meanwhile (disk, neighbours, heat) meets both. */

export interface Pairs<A, B> {
  readonly first: readonly A[]
  readonly second: readonly B[]
}

export const interleave = async <A, B>(
  repeats: number,
  runFirst: () => Promise<A>,
  runSecond: (first: A) => Promise<B>,
): Promise<Pairs<A, B>> => {
  const first: A[] = []
  const second: B[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const a = await runFirst()
    first.push(a)
    second.push(await runSecond(a))
  }
  return { first, second }
}

export const repeatedly = async <T>(repeats: number, run: () => Promise<T>): Promise<T[]> => {
  const results: T[] = []
  for (let repeat = 0; repeat < repeats; repeat++) results.push(await run())
  return results
}
