/** A bug to be planted in a copy of the engine, to see that the simulator would catch it. */
export interface Patch {
  /** Below the repository's root. */
  readonly file: string
  /** Must stand in the file exactly once. */
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  readonly description: string
  readonly patches: readonly Patch[]
}
