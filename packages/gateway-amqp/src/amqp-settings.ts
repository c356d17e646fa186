/** What is the same for every connection of an AMQP listener. */

/** Bytes that all connections of the process hold of what is not complete. */
export interface SharedMemory {
  readonly bytesMax: number
  readonly isExceeded: boolean
  /** A connection that holds less is not the one to cut off when the budget is spent. */
  readonly toleratedBytes: number
  add(bytes: number): void
}

export interface AmqpSettings {
  /** What clients are told they talk to: they choose their behaviour by it. */
  readonly product: string
  readonly version: string
  readonly heartbeatSeconds: number
  readonly frameBytesMax: number
  readonly channelsMax: number
  readonly messageBytesMax: number
  readonly memory?: SharedMemory
}

/** A version before 4 keeps the ways of limiting consumers that clients such as Celery use. */
export const PRODUCT_DEFAULT = 'RabbitMQ'
export const VERSION_DEFAULT = '3.13.7'
