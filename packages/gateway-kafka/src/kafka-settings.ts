/** What is the same for every connection of a Kafka listener. */

/** Bytes that all connections of the process hold of unfinished requests. */
export interface SharedMemory {
  readonly bytesMax: number
  readonly isExceeded: boolean
  /** A connection that holds less is not the one to cut off when the budget is spent. */
  readonly toleratedBytes: number
  add(bytes: number): void
}

export interface KafkaSettings {
  /** A Kafka client cannot name one: the listener does. */
  readonly namespace: string
  /** Where clients are told to connect; by default the address that they used. */
  readonly advertisedHost: string | undefined
  readonly advertisedPort: number | undefined
  readonly autoCreateTopics: boolean
  readonly memory?: SharedMemory
}
