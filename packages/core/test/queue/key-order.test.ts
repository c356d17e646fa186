import { utf8Encode } from '@millrace/codec'
import { KeyOrder, keyTextOf } from '../../src/queue/key-order.ts'
import { HELD_MESSAGES_MAX } from '../../src/queue/limits.ts'
import type { QueueEntry } from '../../src/queue/queue-entry.ts'

const entryOf = (name: string, key: string | undefined = name[0]): QueueEntry =>
  ({
    name,
    message: { key: key === undefined ? undefined : utf8Encode(key), routingKey: 'route' },
  }) as unknown as QueueEntry

describe('the order of keys', () => {
  it('holds what comes behind a message in flight, and frees it in order', () => {
    const order = new KeyOrder()
    const [a1, a2, a3, b1] = ['a1', 'a2', 'a3', 'b1'].map((name) => entryOf(name))
    expect(order.admit(a1!)).toBe(true)
    order.took(a1!)
    expect([order.admit(a2!), order.admit(a3!), order.admit(b1!)]).toEqual([false, false, true])
    expect([order.heldCount, order.nextFree()]).toEqual([2, undefined])
    order.released(a1!)
    expect(order.nextFree()).toBe(a2)
    // Its key is not free in between: what comes now waits behind it.
    expect(order.admit(entryOf('a4'))).toBe(false)
    order.takeFree()
    order.took(a2!)
    order.released(a2!)
    expect(order.nextFree()).toBe(a3)
  })

  it('gives back what waited behind a message that came back', () => {
    const order = new KeyOrder()
    const [a1, a2, a3] = ['a1', 'a2', 'a3'].map((name) => entryOf(name))
    order.took(a1!)
    order.admit(a2!)
    order.admit(a3!)
    expect(order.returned(a1!)).toEqual([a2, a3])
    expect([order.heldCount, order.nextFree(), order.admit(a1!)]).toEqual([0, undefined, true])
    expect(order.returned(a1!)).toEqual([])
  })

  it('drains all that waits, free or not, and knows of no key then but those in flight', () => {
    const order = new KeyOrder()
    const [a1, a2, a3, b1, b2] = ['a1', 'a2', 'a3', 'b1', 'b2'].map((name) => entryOf(name))
    order.took(a1!)
    order.took(b1!)
    for (const each of [a2, a3, b2]) order.admit(each!)
    order.released(a1!)
    expect(new Set(order.drain())).toEqual(new Set([a2, a3, b2]))
    expect([order.heldCount, order.nextFree()]).toEqual([0, undefined])
    expect([order.admit(entryOf('a9')), order.admit(entryOf('b9'))]).toEqual([true, false])
  })

  it('is full at its limit and not before', () => {
    const order = new KeyOrder()
    order.took(entryOf('a0'))
    for (let count = 1; count < HELD_MESSAGES_MAX; count++) order.admit(entryOf(`a${count}`))
    expect(order.isFull).toBe(false)
    order.admit(entryOf('last', 'a'))
    expect(order.isFull).toBe(true)
  })

  it('takes the routing key where there is no key, and does not mix the two up', () => {
    expect(keyTextOf(entryOf('x', 'route'))).not.toBe(keyTextOf(entryOf('x', undefined)))
    expect(keyTextOf({ ...entryOf('y'), message: { routingKey: 'route' } } as never)).toBe('rroute')
  })
})
