import { Opcode } from '@millrace/protocol'
import type { Producer } from '../../src/producer/producer.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { type Fixture, codeOf, openFake, textOf } from '../support/open-fake.ts'

interface Stage extends Fixture {
  readonly producer: Producer<Uint8Array>
  readonly held: Request[]
  release(): Promise<void>
}

const PAYLOAD = new Uint8Array(1_000)
/** What a lone kilobyte takes in a batch of its own. */
const BATCH_BYTES = 1_000 + 61 + 9

const stage = async (options = {}): Promise<Stage> => {
  const fixture = await openFake((broker) => void broker.createTopic('t'))
  const { broker, client } = fixture
  const producer = client.producer<Uint8Array>('t', { codec: 'bytes', ...options })
  await producer.ready()
  const held: Request[] = []
  broker.intercept = (request) => request.opcode === Opcode.PRODUCE && held.push(request) > 0
  const release = async (): Promise<void> => {
    for (const request of held.splice(0)) broker.handle(request)
    await settle()
  }
  return { ...fixture, producer, held, release }
}

describe('write', () => {
  it('asks for a pause at bufferedBytesMax, not a byte before', async () => {
    const exact = await stage({ bufferedBytesMax: BATCH_BYTES })
    expect(exact.producer.write(PAYLOAD)).toBe(false)
    const roomy = await stage({ bufferedBytesMax: BATCH_BYTES + 1 })
    expect(roomy.producer.write(PAYLOAD)).toBe(true)
    expect(roomy.producer.bufferedBytes).toBe(BATCH_BYTES)
  })

  it('goes on when half of it is acknowledged', async () => {
    const { producer, held, release } = await stage({ bufferedBytesMax: 3_000 })
    while (producer.write(PAYLOAD)) await settle()
    let isReady = false
    const ready = producer.ready().then(() => (isReady = true))
    await settle()
    expect(isReady).toBe(false)
    expect(held).toHaveLength(3)
    await release()
    await ready
    expect(producer.bufferedBytes).toBe(0)
  })

  it('throws when its answer is ignored up to twice the limit', async () => {
    const { producer, client } = await stage({ bufferedBytesMax: 5 * BATCH_BYTES })
    const writeAll = (): void => {
      for (let count = 0; count < 100; count++) producer.write(PAYLOAD)
    }
    expect(writeAll).toThrow(
      `the limit of ${10 * BATCH_BYTES} bytes waiting to be sent: ` +
        'await ready() when write() returns false is reached',
    )
    expect(producer.bufferedBytes).toBeGreaterThanOrEqual(10 * BATCH_BYTES)
    expect(producer.bufferedBytes).toBeLessThan(11 * BATCH_BYTES)
    await client.close()
  })

  it('asks for a pause after a mebibyte in one turn, so that sending and filling overlap', async () => {
    const { producer, broker } = await stage()
    broker.intercept = undefined
    let count = 1
    while (producer.write(PAYLOAD)) count += 1
    expect(count).toBeGreaterThan(1_000)
    expect(count).toBeLessThan(1_050)
    await producer.ready()
    expect(producer.write(PAYLOAD)).toBe(true)
    await producer.flush()
  })

  it('leaves what a full link cannot take in the batches', async () => {
    const { producer, link, broker, held, release } = await stage()
    link.hasRoom = false
    producer.write(PAYLOAD)
    await settle()
    producer.write(PAYLOAD)
    await settle()
    producer.write(PAYLOAD)
    await settle()
    expect(held).toHaveLength(1)
    link.drain()
    await settle()
    expect(held).toHaveLength(2)
    await release()
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(3)
  })
})

describe('send', () => {
  it('waits for room instead, in the order of the calls', async () => {
    const { producer, broker, held, release } = await stage({ bufferedBytesMax: 2 * BATCH_BYTES })
    const offsets: Promise<number>[] = []
    for (let count = 0; count < 6; count++) {
      offsets.push(producer.send(PAYLOAD).then(({ offset }) => offset))
      await settle()
    }
    expect(held).toHaveLength(2)
    while (held.length > 0) await release()
    expect(await Promise.all(offsets)).toEqual([0, 1, 2, 3, 4, 5])
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(6)
  })

  it('that waits is not passed by a write', async () => {
    const { producer, held, release, client } = await stage({ bufferedBytesMax: BATCH_BYTES })
    const first = producer.send(PAYLOAD)
    await settle()
    const second = producer.send(PAYLOAD)
    expect(producer.write(new Uint8Array(1))).toBe(false)
    const flushed = producer.flush()
    while (held.length > 0) await release()
    expect(await Promise.all([first, second])).toMatchObject([{ offset: 0 }, { offset: 1 }])
    await flushed
    const { messages } = await client.fetch('t', 0, 0, { codec: 'bytes' })
    expect(messages.map(({ bytes }) => bytes?.length)).toEqual([1_000, 1_000, 1])
  })

  it('aborted while it waits for room is not sent', async () => {
    const { producer, broker, held, release } = await stage({ bufferedBytesMax: BATCH_BYTES })
    const first = producer.send(PAYLOAD)
    await settle()
    const controller = new AbortController()
    const second = codeOf(producer.send(PAYLOAD, { signal: controller.signal }))
    controller.abort()
    expect(await second).toBe('ERR_ABORTED')
    while (held.length > 0) await release()
    await first
    await producer.flush()
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(1)
    expect(await codeOf(producer.send(PAYLOAD, { signal: controller.signal }))).toBe('ERR_ABORTED')
  })

  it('aborted in flight rejects, and the rest goes on', async () => {
    const { producer, release } = await stage()
    const controller = new AbortController()
    const sending = codeOf(producer.send(PAYLOAD, { signal: controller.signal }))
    await settle()
    controller.abort()
    expect(await sending).toBe('ERR_ABORTED')
    const next = producer.send(PAYLOAD)
    await settle()
    await release()
    await expect(next).resolves.toMatchObject({ offset: 1 })
  })
})

describe('flush', () => {
  it('waits for what was accepted before it, not for what comes after', async () => {
    const { producer, held, broker } = await stage()
    producer.write(PAYLOAD)
    let isFlushed = false
    const flushing = producer.flush().then(() => (isFlushed = true))
    await settle()
    producer.write(PAYLOAD)
    await settle()
    expect([held.length, isFlushed]).toEqual([2, false])
    broker.handle(held[0] as Request)
    await flushing
    expect(producer.bufferedBytes).toBe(BATCH_BYTES)
  })

  it('of nothing is done at once, also before the topic is open', async () => {
    const { producer, client } = await stage()
    await producer.flush()
    await client.producer('never').flush()
  })

  it('ends on abort; what it waited for goes on', async () => {
    const { producer, release } = await stage()
    producer.write(PAYLOAD)
    const flushing = codeOf(producer.flush({ signal: AbortSignal.abort() }))
    expect(await flushing).toBe('ERR_ABORTED')
    await settle()
    await release()
    await producer.flush()
  })
})

describe('close', () => {
  it('of a producer sends what is there and takes nothing more', async () => {
    const { producer, release, broker } = await stage()
    producer.write(PAYLOAD)
    const closing = producer.close()
    expect(await codeOf(producer.send(PAYLOAD))).toBe('ERR_CLOSED')
    expect(() => producer.write(PAYLOAD)).toThrow('the producer is closed')
    await settle()
    await release()
    await closing
    await producer.close()
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(1)
  })

  it('of the client fails what was not sent, and waits for the answers that are due', async () => {
    const { client, producer, broker, held, release } = await stage({ inFlightBatchesMax: 1 })
    const first = producer.send(PAYLOAD)
    await settle()
    const second = textOf(producer.send(PAYLOAD))
    broker.intercept = (request) => request.opcode === Opcode.CLOSE && held.push(request) > 0
    const closing = client.close()
    expect(await second).toBe('the client is closed')
    await settle()
    await release()
    await closing
    await expect(first).resolves.toMatchObject({ offset: 0 })
  })

  it('of the client does not wait for ever', async () => {
    const { client, producer, broker, platform } = await stage()
    const text = textOf(producer.send(PAYLOAD))
    await settle()
    broker.intercept = () => true
    const closing = client.close()
    await settle()
    platform.advance(5_000)
    await closing
    expect(await text).toMatch(/may or may not have been stored/)
    expect(platform.timerCount).toBe(0)
  })

  it('drain of the client finishes what is in flight first', async () => {
    const { client, producer, held, release, broker } = await stage({ inFlightBatchesMax: 1 })
    const results = [producer.send(PAYLOAD), producer.send(PAYLOAD)]
    producer.write(PAYLOAD)
    const draining = client.drain()
    await settle()
    expect(broker.countOf(Opcode.CLOSE)).toBe(0)
    while (held.length > 0) await release()
    await draining
    expect(await Promise.all(results)).toMatchObject([{ offset: 0 }, { offset: 1 }])
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(3)
    await expect(client.closed).resolves.toBeUndefined()
  })
})
