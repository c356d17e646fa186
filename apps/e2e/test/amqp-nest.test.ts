/** NestJS's RabbitMQ transport: requests, events and manual acks, through a kill of the broker. */
import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  type ClientProxy,
  ClientProxyFactory,
  Ctx,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  type RmqContext,
  RmqRecordBuilder,
  RpcException,
  Transport,
} from '@nestjs/microservices'
import { firstValueFrom, type Observable, range, timeout, toArray } from 'rxjs'
import type { Channel, ConsumeMessage } from 'amqplib'
import { type AmqpBroker, amqpBrokers, restart, unique } from './support/amqp/brokers.ts'
import { eventually } from './support/eventually.ts'

const ANSWER_WITHIN_MS = 10_000

class Sums {
  readonly events: string[] = []
  readonly attempts: boolean[] = []

  sum(numbers: readonly number[], context: RmqContext): number {
    this.#ack(context)
    return numbers.reduce((total, one) => total + one, 0)
  }

  fail(_nothing: unknown, context: RmqContext): never {
    this.#ack(context)
    throw new RpcException('it was to fail')
  }

  headers(_nothing: unknown, context: RmqContext): unknown {
    this.#ack(context)
    return (context.getMessage() as ConsumeMessage).properties.headers?.['trace'] as unknown
  }

  count(to: number, context: RmqContext): Observable<number> {
    this.#ack(context)
    return range(1, to)
  }

  noted(text: string, context: RmqContext): void {
    this.events.push(text)
    this.#ack(context)
  }

  /** Given back the first time. */
  stubborn(_nothing: unknown, context: RmqContext): void {
    const message = context.getMessage() as ConsumeMessage
    this.attempts.push(message.fields.redelivered)
    const channel = context.getChannelRef() as Channel
    if (message.fields.redelivered) channel.ack(message)
    else channel.nack(message)
  }

  #ack(context: RmqContext): void {
    ;(context.getChannelRef() as Channel).ack(context.getMessage() as ConsumeMessage)
  }
}

/** What decorators would do, which the tests are compiled without. */
const decorate = (
  name: keyof Sums,
  decorator: (target: object, key: string, descriptor: PropertyDescriptor) => unknown,
): void => {
  const descriptor = Object.getOwnPropertyDescriptor(Sums.prototype, name) as PropertyDescriptor
  decorator(Sums.prototype, name, descriptor)
  Payload()(Sums.prototype, name, 0)
  Ctx()(Sums.prototype, name, 1)
}

class App {}

decorate('sum', MessagePattern('sum'))
decorate('fail', MessagePattern('fail'))
decorate('headers', MessagePattern('headers'))
decorate('count', MessagePattern('count'))
decorate('noted', EventPattern('noted'))
decorate('stubborn', EventPattern('stubborn'))
Controller()(Sums)
Module({ controllers: [Sums] })(App)

describe.each(amqpBrokers)('NestJS and $name', ({ launch }) => {
  let broker: AmqpBroker
  let service: Awaited<ReturnType<typeof NestFactory.createMicroservice>>
  let client: ClientProxy
  let sums: Sums

  beforeAll(async () => {
    broker = await launch()
    const options = {
      urls: [broker.url],
      queue: unique('nest'),
      queueOptions: { durable: true },
      socketOptions: { reconnectTimeInSeconds: 0.2, heartbeatIntervalInSeconds: 5 },
    }
    service = await NestFactory.createMicroservice<MicroserviceOptions>(App, {
      transport: Transport.RMQ,
      options: { ...options, noAck: false, prefetchCount: 5 },
      logger: false,
    })
    await service.listen()
    sums = service.get(Sums)
    client = ClientProxyFactory.create({
      transport: Transport.RMQ,
      options: { ...options, persistent: true },
    })
    await client.connect()
  })

  afterAll(async () => {
    await client?.close()
    await service?.close()
    await broker?.release()
  })

  const ask = <T>(pattern: string, payload: unknown): Promise<T> =>
    firstValueFrom(client.send<T>(pattern, payload).pipe(timeout(ANSWER_WITHIN_MS)))

  it('answers requests, many at a time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ask<number>('sum', [index, 1])),
    )
    expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  })

  it('answers with many values, and with an error', async () => {
    const all = client.send<number>('count', 3).pipe(toArray(), timeout(ANSWER_WITHIN_MS))
    expect(await firstValueFrom(all)).toEqual([1, 2, 3])
    await expect(ask('fail', {})).rejects.toMatchObject({ message: 'it was to fail' })
  })

  it('hands headers over', async () => {
    const record = new RmqRecordBuilder({}).setOptions({ headers: { trace: 'abc' } }).build()
    expect(await ask('headers', record)).toBe('abc')
  })

  it('emits events, and gives back what is not acked', async () => {
    await firstValueFrom(client.emit('noted', 'hello'), { defaultValue: undefined })
    await firstValueFrom(client.emit('stubborn', {}), { defaultValue: undefined })
    await eventually('both came', () => sums.events.length === 1 && sums.attempts.length === 2)
    expect(sums.events).toEqual(['hello'])
    expect(sums.attempts).toEqual([false, true])
  })

  it('goes on after a kill of the broker', async () => {
    await restart(broker)
    const answer = await eventually('it answers again', () =>
      firstValueFrom(client.send<number>('sum', [1, 2]).pipe(timeout(1_000))).catch(
        () => undefined,
      ),
    )
    expect(answer).toBe(3)
  })
})
