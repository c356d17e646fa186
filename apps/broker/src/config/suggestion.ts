/** "Did you mean": the closest known name, when it is close enough to be a slip. */

/** Levenshtein, one row at a time. */
export const editDistance = (source: string, target: string): number => {
  let previous = Array.from({ length: target.length + 1 }, (_, at) => at)
  for (let row = 1; row <= source.length; row++) {
    const current = [row]
    for (let column = 1; column <= target.length; column++) {
      const cost = source[row - 1] === target[column - 1] ? 0 : 1
      const replaced = (previous[column - 1] as number) + cost
      const removed = (previous[column] as number) + 1
      const added = (current[column - 1] as number) + 1
      current.push(Math.min(replaced, removed, added))
    }
    previous = current
  }
  return previous[target.length] as number
}

const NAME_CHARACTERS_MAX = 100

/** A whole key of the table for a part that was given without its section counts as close. */
const distanceTo = (name: string, candidate: string): number => {
  const last = candidate.slice(candidate.lastIndexOf('.') + 1).toLowerCase()
  const whole = editDistance(name, candidate.toLowerCase())
  return last === name.slice(name.lastIndexOf('.') + 1) ? Math.min(whole, 1) : whole
}

export const suggest = (name: string, candidates: readonly string[]): string | undefined => {
  if (name.length > NAME_CHARACTERS_MAX) return undefined
  const lower = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(name.length < 4 ? 1 : 2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = distanceTo(lower, candidate)
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}
