/** Producers of every kind at once, each on a connection of its own, until the broker dies. */
import { randomInt } from 'node:crypto'
import { type Client, connect, type Producer, type ProducerOptions } from '@millrace/client-node'
import type { CrashLedger, LedgerTopic } from './crash-ledger.ts'

export interface ProducerKind {
  readonly topic: LedgerTopic
  readonly options?: ProducerOptions<Uint8Array>
  readonly isKeyed: boolean
  /** From and to; without it the records are lines. */
  readonly bytes?: readonly [number, number]
  /** Messages without an answer. */
  readonly window: number
}

const KEYS_COUNT = 200

/** Sends until the connection ends; resolves then. */
class Sender {
  readonly #producer: Producer<Uint8Array>
  readonly #kind: ProducerKind
  readonly #ledger: CrashLedger
  readonly #number: number
  #outstanding = 0
  #isOver = false
  #wake: (() => void) | undefined

  constructor(client: Client, kind: ProducerKind, ledger: CrashLedger, round: number) {
    this.#producer = client.producer(kind.topic.name, { codec: 'bytes', ...kind.options })
    this.#kind = kind
    this.#ledger = ledger
    this.#number = ledger.addProducer(kind.topic, round)
    void client.closed.then(() => this.end())
  }

  end(): void {
    this.#isOver = true
    this.#wake?.()
  }

  async run(): Promise<void> {
    while (!this.#isOver || this.#outstanding > 0) {
      while (!this.#isOver && this.#outstanding < this.#kind.window) this.#sendOne()
      if (this.#outstanding > 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }

  #sendOne(): void {
    const { isKeyed, bytes } = this.#kind
    const key = isKeyed ? `key-${randomInt(KEYS_COUNT)}` : null
    const size = bytes === undefined ? 'line' : randomInt(bytes[0], bytes[1] + 1)
    const record = this.#ledger.next(this.#number, size, key)
    this.#outstanding++
    const settle = (): void => {
      this.#outstanding--
      this.#wake?.()
    }
    this.#producer.send({ value: record.value, key }).then(
      ({ partition, offset }) => {
        this.#ledger.acknowledge(record, partition, offset)
        settle()
      },
      (error: unknown) => {
        // The connection is gone: whether it was stored is not known. Nothing else may fail.
        this.#isOver = true
        if ((error as { code?: string }).code !== 'ERR_CONNECTION_LOST') {
          this.#ledger.problems.push(`${this.#kind.topic.name}: a send failed: ${String(error)}`)
        }
        settle()
      },
    )
  }
}

/** Whatever a reader sees while all this goes on must be there for ever. */
const watch = async (client: Client, topic: LedgerTopic, ledger: CrashLedger): Promise<void> => {
  try {
    const consumer = client.consume(topic.name, { from: 'end', codec: 'bytes' })
    for await (const message of consumer) ledger.observe(topic, message)
  } catch {
    // It ends with the broker.
  }
}

export interface Load {
  /** Resolves when the connections are gone and every message has its outcome. */
  readonly ended: Promise<void>
}

/** Starts everything; returns when all connections stand. */
export const startLoad = async (
  url: string,
  kinds: readonly ProducerKind[],
  topics: readonly LedgerTopic[],
  ledger: CrashLedger,
  round: number,
): Promise<Load> => {
  const reader = await connect(url, { reconnect: false })
  const clients = await Promise.all(kinds.map(() => connect(url, { reconnect: false })))
  const watching = topics.map((topic) => watch(reader, topic, ledger))
  const sending = kinds.map((kind, index) =>
    new Sender(clients[index] as Client, kind, ledger, round).run(),
  )
  const ended = Promise.all([...watching, ...sending]).then(async () => {
    await Promise.all([reader, ...clients].map((client) => client.close()))
  })
  return { ended }
}
