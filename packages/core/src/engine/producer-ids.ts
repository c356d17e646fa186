/**
 * Producer ids: given out once, over every life of the data directory.
 *
 * A block of them is taken in the metadata, durably, before the first of it is given away; what is
 * left of a block when the broker dies is never used. A definition that was lost is made up for by
 * the ids that the logs have seen.
 */
import type { MetadataStore } from '../meta/metadata-store.ts'
import type { LogStore } from '../log/store.ts'

const KEY = 'producer-ids'
const BLOCK = 1_000

interface TakenIds {
  readonly next: number
}

export class ProducerIds {
  readonly #store: LogStore
  readonly #metadata: MetadataStore
  #next = 0
  #end = 0

  constructor(store: LogStore, metadata: MetadataStore) {
    this.#store = store
    this.#metadata = metadata
    const { producers } = store
    producers.unusedProducerId = Math.max(producers.unusedProducerId, this.#firstUntaken())
  }

  async take(): Promise<number> {
    while (this.#next >= this.#end) await this.#takeBlock()
    return this.#next++
  }

  #takeBlock(): Promise<void> {
    return this.#metadata.change(async (commit) => {
      // Another caller took one while this one waited.
      if (this.#next < this.#end) return
      const refusal = this.#store.refusal()
      if (refusal !== undefined) throw refusal
      const { producers } = this.#store
      const next = Math.max(this.#firstUntaken(), producers.unusedProducerId)
      await commit(new Map([[KEY, { next: next + BLOCK }]]))
      producers.unusedProducerId = next + BLOCK
      this.#next = next
      this.#end = next + BLOCK
    })
  }

  #firstUntaken(): number {
    return (this.#metadata.get(KEY) as TakenIds | undefined)?.next ?? 0
  }
}
