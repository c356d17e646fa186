/** Which functions the samples of a CPU profile fell into. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface Cost {
  readonly name: string
  readonly share: number
}

const nameOf = ({ callFrame }: ProfileNode): string => {
  const { functionName, url, lineNumber } = callFrame
  const place = url.replace(/^.*\/(?=(?:packages|apps|tools|node_modules)\/)/, '')
  const name = functionName === '' ? '(anonymous)' : functionName
  return place === '' ? name : `${name} ${place}:${lineNumber + 1}`
}

/** Self time by function, most first, idle time left out; shares are of the busy time. */
export const costsOf = (profile: Profile): Cost[] => {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]))
  const byName = new Map<string, number>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? '?'
    if (name === '(idle)') continue
    const deltaUs = Math.max(0, profile.timeDeltas[index] ?? 0)
    busy += deltaUs
    byName.set(name, (byName.get(name) ?? 0) + deltaUs)
  }
  return [...byName]
    .map(([name, spentUs]) => ({ name, share: spentUs / busy }))
    .sort((one, other) => other.share - one.share)
}

export const summarizeProfiles = (directory: string, costCountMax: number): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .sort()
    .flatMap((name) => {
      const profile = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Profile
      const costs = costsOf(profile).slice(0, costCountMax)
      const lines = costs.map(
        ({ name: what, share }) => `${(share * 100).toFixed(1).padStart(6)} %  ${what}`,
      )
      return [name, ...lines, '']
    })
