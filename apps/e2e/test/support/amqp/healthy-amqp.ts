/**
 * An AMQP client that minds its own business, next to others that misbehave: it publishes with confirms
 * and consumes with acks. Nothing of what the others do may cost it anything.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, connect } from 'amqplib'
import { eventually } from '../eventually.ts'
import { unique } from './brokers.ts'

const SEND_EVERY_MS = 5
const STEPS = 3

export class HealthyAmqp {
  readonly problems: string[] = []
  readonly #connection: ChannelModel
  #isOver = false
  #sent = 0
  #received = 0
  #work: Promise<void> = Promise.resolve()

  private constructor(connection: ChannelModel) {
    this.#connection = connection
    connection.on('error', (error) => this.problems.push(String(error)))
    connection.on('close', () => {
      if (!this.#isOver) this.problems.push('its connection was closed')
    })
  }

  static async start(url: string, options: object = {}): Promise<HealthyAmqp> {
    const client = new HealthyAmqp(await connect(url, options))
    const queue = unique('healthy')
    const consumer = await client.#connection.createChannel()
    await consumer.assertQueue(queue, { exclusive: true })
    await consumer.prefetch(10)
    await consumer.consume(queue, (message) => {
      if (message === null) client.problems.push('its consumer was cancelled')
      else {
        const text = message.content.toString()
        if (text !== String(client.#received)) client.problems.push(`it received ${text}`)
        client.#received++
        consumer.ack(message)
      }
    })
    client.#work = client.#send(queue)
    return client
  }

  /** Resolves when it has sent and received some more. */
  async goOn(): Promise<void> {
    const [sent, received] = [this.#sent, this.#received]
    await eventually('the healthy client goes on', () => {
      if (this.problems.length > 0) throw new Error(this.problems.join(', '))
      return this.#sent >= sent + STEPS && this.#received >= received + STEPS
    })
  }

  async finish(): Promise<void> {
    this.#isOver = true
    await this.#work
    await eventually('all is received', () => this.#received >= this.#sent)
    await this.#connection.close()
  }

  async #send(queue: string): Promise<void> {
    const channel = await this.#connection.createConfirmChannel()
    while (!this.#isOver) {
      channel.sendToQueue(queue, Buffer.from(String(this.#sent)))
      await channel.waitForConfirms()
      this.#sent++
      await delay(SEND_EVERY_MS)
    }
  }
}
