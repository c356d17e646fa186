import { Opcode } from '@millrace/protocol'
import { codeOf } from '../support/open-fake.ts'
import { openQueues, takeFrom } from './support.ts'

describe('a queue', () => {
  it('is declared, described, altered, listed and deleted', async () => {
    const { client, queues } = await openQueues([])
    const queue = client.queue('jobs')
    const declared = await queue.declare({ lengthMax: 10, overflow: 'reject', exclusive: true })
    expect(declared).toMatchObject({
      queue: 'jobs',
      exclusive: true,
      ready: 0,
      settings: { lengthMax: 10, overflow: 'reject' },
    })
    expect(await queue.describe()).toEqual(declared)
    await queue.alter({ lengthMax: null, messageTtlMs: 5 })
    expect(queues.queue('jobs').settings).toMatchObject({ lengthMax: null, messageTtlMs: 5 })
    queues.queue('jobs').settings = {}
    expect((await client.admin.listQueues({ prefix: 'j' })).map((one) => one.queue)).toEqual([
      'jobs',
    ])
    queues.push('jobs', { text: '1' })
    expect(await queue.delete({ ifUnused: true })).toBe(1)
    expect(await codeOf(queue.describe())).toBe('ERR_QUEUE_NOT_FOUND')
    expect(() => client.queue('')).toThrow('not empty')
    await client.close()
  })

  it('is listed in pages', async () => {
    const { client, queues, broker } = await openQueues(['a', 'b', 'c', 'd', 'e'])
    queues.itemsPerPage = 2
    const listed = await client.admin.listQueues()
    expect(listed.map(({ queue }) => queue)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(broker.countOf(Opcode.QUEUE_LIST)).toBe(3)
    await client.close()
  })

  it('is looked into, emptied, moved and replayed', async () => {
    const { client, queues } = await openQueues()
    for (const text of ['1', '2', '3']) queues.push('jobs', { text })
    const queue = client.queue<number>('jobs')
    const peeked = await queue.peek({ count: 2 })
    expect(peeked.map(({ payload, offset }) => [payload, offset])).toEqual([
      [1, 0],
      [2, 1],
    ])
    expect('ack' in (peeked[0] as object)).toBe(false)
    expect(await queue.purge()).toBe(3)
    expect(await queue.move('', { routingKey: 'other', count: 3 })).toBe(3)
    expect(await queue.replay(new Date(5))).toBe(4)
    expect(await codeOf(queue.peek({ count: 1_001 }))).toBe('ERR_INVALID_ARGUMENT')
    await client.close()
  })

  it('gives one message, to be settled, or nothing', async () => {
    const { client, queues } = await openQueues()
    queues.push('jobs', { text: '1' })
    const queue = client.queue<number>('jobs')
    const delivery = await queue.get()
    expect(delivery?.payload).toBe(1)
    await delivery?.nack()
    await (await queue.get())?.ack()
    expect(await queue.get()).toBeUndefined()
    expect(queues.settlements).toEqual(['requeue 1', 'ack 2'])
    await client.close()
  })
})

describe('an exchange', () => {
  it('is declared, described, listed and deleted', async () => {
    const { client } = await openQueues()
    const exchange = client.exchange('orders')
    const declared = await exchange.declare({ type: 'topic', alternateExchange: 'rest' })
    expect(declared).toMatchObject({
      exchange: 'orders',
      settings: { type: 'topic', alternateExchange: 'rest' },
    })
    expect(await exchange.describe()).toEqual(declared)
    await exchange.delete()
    expect(await codeOf(exchange.describe())).toBe('ERR_EXCHANGE_NOT_FOUND')
    await client.close()
  })
})

describe('a binding', () => {
  it('leads to queues, topics and exchanges, and is removed', async () => {
    const { client, queues } = await openQueues()
    await client.queue('jobs').bind('orders', { routingKey: 'eu.#' })
    await client.exchange('orders').bindTopic('telemetry', { routingKey: '#' })
    await client.exchange('all').bind('orders', {
      match: 'any',
      headers: { kind: 'pdf', urgent: null },
    })
    const all = await client.admin.listBindings({ exchange: 'orders' })
    expect(all).toMatchObject([
      { targetKind: 'queue', target: 'jobs', routingKey: 'eu.#' },
      { targetKind: 'topic', target: 'telemetry', routingKey: '#' },
      { targetKind: 'exchange', target: 'all', headers: { kind: 'pdf', urgent: null } },
    ])
    queues.itemsPerPage = 1
    expect(await client.admin.listBindings()).toEqual(all)
    await client.queue('jobs').unbind('orders', { routingKey: 'eu.#' })
    await client.exchange('orders').unbindTopic('telemetry', { routingKey: '#' })
    await client.exchange('all').unbind('orders')
    expect(queues.bindings).toEqual([])
    await client.close()
  })
})

describe('a transaction', () => {
  it('publishes and settles in one request', async () => {
    const { client, queues, broker } = await openQueues(['jobs', 'done'])
    queues.push('jobs', { text: '1' })
    queues.push('jobs', { text: '2' })
    queues.exchanges.set('events', {})
    const [first, second] = await takeFrom(client.queue('jobs').consume(), 2)
    const answer = await client.transaction((tx) => {
      tx.publish('events', 'job.done', { id: 1 })
      tx.send('done', 'one')
      tx.send(client.queue<string>('done', { codec: 'string' }), 'two')
      if (first !== undefined) tx.ack(first)
      if (second !== undefined) tx.nack(second, { requeue: false })
      return 'answer'
    })
    expect(answer).toBe('answer')
    expect(queues.textsOf('done')).toEqual(['"one"', 'two'])
    expect(queues.settlements).toEqual(['ack 1', 'reject 2'])
    expect(broker.countOf(Opcode.COMMIT)).toBe(1)
    expect(await codeOf(first?.ack() as Promise<void>)).toBe('ERR_UNKNOWN_DELIVERY')
    await client.close()
  })

  it('does nothing when the function throws, and its deliveries can be settled', async () => {
    const { client, queues, broker } = await openQueues()
    queues.push('jobs', { text: '1' })
    const [delivery] = await takeFrom(client.queue('jobs').consume(), 1)
    const failing = client.transaction((tx) => {
      tx.send('jobs', 2)
      if (delivery !== undefined) tx.ack(delivery)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(broker.countOf(Opcode.COMMIT)).toBe(0)
    await delivery?.ack()
    expect(queues.settlements).toEqual(['ack 1'])
    await client.close()
  })

  it('does nothing when the broker refuses it', async () => {
    const { client, queues } = await openQueues()
    queues.push('jobs', { text: '1' })
    const [delivery] = await takeFrom(client.queue('jobs').consume(), 1)
    const run = client.transaction((tx) => {
      tx.publish('nowhere', 'k', 2)
      if (delivery !== undefined) tx.ack(delivery)
    })
    expect(await codeOf(run)).toBe('ERR_EXCHANGE_NOT_FOUND')
    expect(delivery?.isSettled).toBe(false)
    await client.close()
  })

  it('refuses deliveries of a connection that is gone, and use after its end', async () => {
    const fixture = await openQueues()
    const { client, queues } = fixture
    queues.push('jobs', { text: '1' })
    const [delivery] = await takeFrom(client.queue('jobs').consume(), 1)
    await fixture.drop()
    await fixture.recover()
    const run = client.transaction((tx) => delivery !== undefined && tx.ack(delivery))
    expect(await codeOf(run)).toBe('ERR_CONNECTION_LOST')
    let kept: { send(queue: string, payload: unknown): void } | undefined
    await client.transaction((tx) => void (kept = tx))
    expect(() => kept?.send('jobs', 1)).toThrow('is closed')
    await client.close()
  })
})
