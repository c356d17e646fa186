/** The exchange that delays, with the engine behind it. */
import { type FieldTable, type FieldValue, findField, textField } from '../src/codec/field-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import type { MethodName } from '../src/codec/method-table.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import type { AmqpPeer, Seen } from './support/amqp-peer.ts'
import { openRealWorld, type RealWorld, takeUntil } from './support/real-world.ts'

let world: RealWorld
let peer: AmqpPeer

const ask = async (name: MethodName, fields: object = {}): Promise<Seen> => {
  peer.send(1, name, fields)
  const [answer] = await takeUntil(peer, 1)
  return answer as Seen
}

beforeEach(async () => {
  world = await openRealWorld()
  peer = await world.connectOpen()
})

afterEach(async () => {
  peer.close()
  await world.stop()
})

const delayedType = (name: string): FieldTable => [
  { name: 'x-delayed-type', value: textField(name) },
]

const declare = (args: FieldTable = delayedType('direct'), rest: object = {}): Promise<Seen> =>
  ask('exchange.declare', {
    exchange: 'later',
    type: 'x-delayed-message',
    durable: true,
    arguments: args,
    ...rest,
  })

const setUp = async (): Promise<void> => {
  expect((await declare()).name).toBe('exchange.declare-ok')
  await ask('queue.declare', { queue: 'q', durable: true })
  await ask('queue.bind', { queue: 'q', exchange: 'later', routingKey: 'k' })
}

const blockOf = (delay: FieldValue): Uint8Array =>
  new BlockWriter()
    .headers(
      [],
      [
        { name: 'a', value: { type: 'u', value: 7 } },
        { name: 'x-delay', value: delay },
        { name: 'z', value: { type: 'A', value: [textField('b'), { type: 'V' }] } },
      ],
    )
    .octet(Property.DELIVERY_MODE, 2)
    .finish()

const publish = (delay: FieldValue, rest: object = {}): void =>
  peer.publish(
    1,
    { exchange: 'later', routingKey: 'k', ...rest },
    { properties: blockOf(delay), body: 'x' },
  )

const arrived = async (): Promise<Seen> => {
  let answer = await ask('basic.get', { queue: 'q', noAck: true })
  while (answer.name === 'basic.get-empty')
    answer = await ask('basic.get', { queue: 'q', noAck: true })
  return answer
}

const headerOf = ({ properties }: Seen, name: string): FieldValue | undefined => {
  const scan = new PropertyScan()
  scan.scan(properties as Uint8Array)
  return findField(headersOf(scan), name)
}

describe('a declaration', () => {
  it.each<[string, FieldTable]>([
    ['names no type', []],
    ['names a type that is not there', delayedType('foo')],
    ['names the type itself', delayedType('x-delayed-message')],
    ['names a type by a number', [{ name: 'x-delayed-type', value: { type: 'I', value: 1 } }]],
  ])('that %s is refused with 406', async (_, args) => {
    const answer = await declare(args)
    expect(answer).toMatchObject({ name: 'channel.close', fields: { replyCode: 406 } })
    expect(answer.fields['replyText']).toContain("'x-delayed-type'")
  })

  it('may name every other type, with what that asks for', async () => {
    const hash = { name: 'hash-header', value: textField('h') }
    for (const type of ['topic', 'fanout', 'headers', 'x-modulus-hash', 'x-random'])
      expect(await declare(delayedType(type), { exchange: type })).toMatchObject({
        name: 'exchange.declare-ok',
      })
    expect((await declare([...delayedType('x-consistent-hash'), hash])).name).toBe(
      'exchange.declare-ok',
    )
    expect((await declare([...delayedType('x-consistent-hash'), hash])).name).toBe(
      'exchange.declare-ok',
    )
    const other = await declare()
    expect(other.fields['replyText']).toContain(
      "inequivalent arg 'x-delayed-type' for exchange 'later' in vhost '/': " +
        "received 'direct' but current is 'x-consistent-hash'",
    )
  })
})

describe('a message', () => {
  it('comes when it is due, its delay below zero and all else as it was', async () => {
    await setUp()
    await ask('confirm.select')
    publish({ type: 'I', value: 200 }, { mandatory: true })
    // Confirmed, and not returned.
    expect((await takeUntil(peer, 1))[0]).toMatchObject({ name: 'basic.ack' })
    expect((await ask('basic.get', { queue: 'q' })).name).toBe('basic.get-empty')
    const got = await arrived()
    expect(got.fields).toMatchObject({ exchange: 'later', routingKey: 'k', redelivered: false })
    expect(got.properties).toEqual(blockOf({ type: 'I', value: -200 }))
  })

  it('is returned when it is mandatory, has no delay and nobody takes it', async () => {
    await setUp()
    publish({ type: 'I', value: 0 }, { mandatory: true, routingKey: 'nobody' })
    expect((await takeUntil(peer, 1))[0]).toMatchObject({ name: 'basic.return' })
  })

  it('that asks for a millisecond too much closes the channel with 406', async () => {
    await setUp()
    await ask('confirm.select')
    publish({ type: 'l', value: 4_294_967_295n })
    expect((await takeUntil(peer, 1))[0]).toMatchObject({ name: 'basic.ack' })
    publish({ type: 'l', value: 4_294_967_296n })
    expect((await takeUntil(peer, 1))[0]).toMatchObject({
      name: 'channel.close',
      fields: { replyCode: 406 },
    })
  })

  it('goes to the keys of its copies as well, and does not tell the blind ones', async () => {
    await setUp()
    await ask('queue.declare', { queue: 'copies', durable: true })
    for (const routingKey of ['cc', 'bcc'])
      await ask('queue.bind', { queue: 'copies', exchange: 'later', routingKey })
    const headers = (delay: number): FieldTable => [
      { name: 'CC', value: { type: 'A', value: [textField('cc')] } },
      { name: 'x-delay', value: { type: 'I', value: delay } },
    ]
    const blind = { name: 'BCC', value: { type: 'A', value: [textField('bcc')] } } as const
    const properties = new BlockWriter().headers([], [...headers(100), blind]).finish()
    peer.publish(1, { exchange: 'later', routingKey: 'k' }, { properties, body: 'x' })
    expect((await arrived()).properties).toEqual(
      new BlockWriter().headers([], headers(-100)).finish(),
    )
    expect((await ask('basic.get', { queue: 'copies', noAck: true })).name).toBe('basic.get-ok')
    expect((await ask('basic.get', { queue: 'copies', noAck: true })).name).toBe('basic.get-empty')
  })

  it('of a transaction is kept by its commit', async () => {
    await setUp()
    await ask('tx.select')
    publish({ type: 'b', value: 1 })
    await ask('tx.rollback')
    publish(textField('50'))
    expect((await ask('tx.commit')).name).toBe('tx.commit-ok')
    expect(headerOf(await arrived(), 'x-delay')).toEqual(textField('-50'))
    expect((await ask('basic.get', { queue: 'q' })).name).toBe('basic.get-empty')
  })

  it('that a queue dead-letters is kept, and not twice', async () => {
    await setUp()
    const args: FieldTable = [
      { name: 'x-dead-letter-exchange', value: textField('later') },
      { name: 'x-dead-letter-routing-key', value: textField('k') },
      { name: 'x-max-length', value: { type: 'I', value: 0 } },
    ]
    await ask('queue.declare', { queue: 'full', arguments: args })
    publish({ type: 'I', value: 100 }, { exchange: '', routingKey: 'full' })
    const got = await arrived()
    expect(headerOf(got, 'x-delay')).toEqual({ type: 'I', value: -100 })
    expect(headerOf(got, 'x-first-death-queue')).toEqual(textField('full'))
  })
})
