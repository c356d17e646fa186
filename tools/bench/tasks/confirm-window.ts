/**
 * Which publications of a channel are still to be confirmed. Peers confirm singly and in any order, or
 * everything up to a tag; a tag counts once.
 */
const bitsFor = (count: number): number => Math.ceil(Math.log2(Math.max(2, count)))

/** A gap may be so many windows wide: one late confirm does not stop the others at once. */
const GAP_WINDOWS = 4

export class ConfirmWindow {
  readonly #windowCount: number
  readonly #onConfirmed: (tag: number) => void
  /** 1 for a tag that is confirmed while a lower one is not. */
  readonly #isConfirmed: Uint8Array
  readonly #mask: number
  #sentCount = 0
  #confirmedCount = 0
  /** Every tag up to this one is confirmed. */
  #confirmedTo = 0

  constructor(windowCount: number, onConfirmed: (tag: number) => void = () => undefined) {
    this.#windowCount = windowCount
    this.#onConfirmed = onConfirmed
    this.#isConfirmed = new Uint8Array(2 ** bitsFor(windowCount * GAP_WINDOWS))
    this.#mask = this.#isConfirmed.length - 1
  }

  get sentCount(): number {
    return this.#sentCount
  }

  get confirmedCount(): number {
    return this.#confirmedCount
  }

  /** How many more may be sent now. */
  get room(): number {
    const underWay = this.#sentCount - this.#confirmedCount
    const spread = this.#sentCount - this.#confirmedTo
    return Math.min(this.#windowCount - underWay, this.#isConfirmed.length - spread)
  }

  sent(count: number): void {
    this.#sentCount += count
  }

  confirm(tag: number, isMultiple: boolean): void {
    if (tag > this.#sentCount) throw new Error(`confirm ${tag} of ${this.#sentCount} sent`)
    if (isMultiple) for (let one = this.#confirmedTo + 1; one <= tag; one++) this.#mark(one)
    else if (tag > this.#confirmedTo) this.#mark(tag)
    while (this.#isConfirmed[(this.#confirmedTo + 1) & this.#mask] === 1) {
      this.#confirmedTo += 1
      this.#isConfirmed[this.#confirmedTo & this.#mask] = 0
    }
  }

  #mark(tag: number): void {
    const index = tag & this.#mask
    if (this.#isConfirmed[index] === 1) return
    this.#isConfirmed[index] = 1
    this.#confirmedCount += 1
    this.#onConfirmed(tag)
  }
}
