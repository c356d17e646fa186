/** Keyed values that live as long as the process: for brokers that are stand-ins in tests. */
import type { MetadataChanges } from '../meta/metadata-store.ts'
import type { IdentityStorage } from './identity-store.ts'

export const volatileIdentityStorage = (): IdentityStorage => {
  const values = new Map<string, object>()
  let chain: Promise<unknown> = Promise.resolve()
  const commit = (changes: MetadataChanges): Promise<void> => {
    for (const [key, value] of changes) {
      if (value === null) values.delete(key)
      else values.set(key, value)
    }
    return Promise.resolve()
  }
  return {
    entries: (prefix) => [...values].filter(([key]) => key.startsWith(prefix)),
    get: (key) => values.get(key),
    change: (work) => {
      const result = chain.then(() => work(commit))
      chain = result.catch(() => undefined)
      return result
    },
  }
}
