/**
 * A client that minds its own business, next to others that misbehave: it sends numbers one after the
 * other and reads them back. Nothing of what the others do may cost it anything.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect, type Producer } from '@millrace/client-node'
import { eventually, within } from './eventually.ts'

const TOPIC = 'healthy'
const SEND_EVERY_MS = 5
const STEPS = 3

export class HealthyClient {
  readonly #client: Client
  readonly #producer: Producer<number>
  readonly #sending: Promise<void>
  readonly #reading: Promise<void>
  #isOver = false
  #acknowledged = 0
  #read = 0
  readonly problems: string[] = []

  private constructor(client: Client) {
    this.#client = client
    this.#producer = client.producer<number>(TOPIC)
    this.#sending = this.#noting('send', this.#send())
    this.#reading = this.#noting('read', this.#readAll())
  }

  static async start(url: string): Promise<HealthyClient> {
    const client = await connect(url)
    await client.admin.createTopic(TOPIC, { partitions: 1 })
    return new HealthyClient(client)
  }

  /** Resolves when it has sent and read some more. */
  async goOn(): Promise<void> {
    const [acknowledged, read] = [this.#acknowledged, this.#read]
    await eventually('the healthy client goes on', () => {
      if (this.problems.length > 0) return true
      return this.#acknowledged >= acknowledged + STEPS && this.#read >= read + STEPS
    })
  }

  /** Stops, and gives the number of messages that went through it. */
  async finish(): Promise<number> {
    this.#isOver = true
    await within('the last answer', 10_000, this.#sending)
    await eventually('everything is read', () => this.#read >= this.#acknowledged)
    await this.#client.close()
    await this.#reading
    if (this.#read !== this.#acknowledged)
      this.problems.push(`${this.#acknowledged} acknowledged, ${this.#read} read`)
    return this.#acknowledged
  }

  async #send(): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const { offset } = await this.#producer.send(number)
      if (offset !== number) this.problems.push(`${number} stored at ${offset}`)
      this.#acknowledged++
      await delay(SEND_EVERY_MS)
    }
  }

  async #readAll(): Promise<void> {
    for await (const { payload } of this.#client.consume<number>(TOPIC, { from: 'start' })) {
      if (payload !== this.#read) this.problems.push(`read ${payload}, not ${this.#read}`)
      this.#read++
    }
  }

  async #noting(what: string, work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (!this.#isOver) this.problems.push(`${what}: ${String(error)}`)
    }
  }
}
