/** What a batch is made of, as its builder takes it and as a reader gets it. */
export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface RecordInput {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Ordered and repeatable. */
  readonly headers: readonly RecordHeader[]
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** Keys and values are views into the batch: copy what outlives it. */
export interface DecodedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: RecordHeader[]
  /** The position within the batch; smaller than the offset delta where records were compacted. */
  readonly index: number
}
