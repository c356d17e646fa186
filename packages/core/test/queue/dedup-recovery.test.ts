import type { MessageSource } from '../../src/engine/messaging.ts'
import { FoundIds } from '../../src/queue/dedup-recovery.ts'
import { DedupWindow } from '../../src/queue/dedup-window.ts'
import { LogReader } from '../../src/log/log-reader.ts'
import { MessagingNode, message, type Peer, type World } from '../support/messaging.ts'
import { caller, newWorld, openNode, segmentFiles } from '../support/node.ts'

const WINDOW_MS = 60_000

/** Logs roll, are trimmed and are looked at soon. */
const storage = { queueSegmentBytes: 16 * 1024, retentionCheckMs: 1_000, emptySegmentBytesMin: 1 }

const open = async (world: World): Promise<MessagingNode> =>
  new MessagingNode(await openNode(world, { storage }))

const start = async (settings = {}): Promise<{ world: World; node: MessagingNode }> => {
  const world = newWorld()
  const node = await open(world)
  await node.declare('q', { dedupWindowMs: WINDOW_MS, ...settings })
  return { world, node }
}

const withId = (messageId: string, changed: Partial<MessageSource> = {}): MessageSource =>
  message(messageId, { messageId, ...changed })

const padded = (messageId: string): MessageSource =>
  message(messageId.padEnd(2_000, '.'), { messageId })

/** Publishes with patience, and answers whether all of it is confirmed. */
const publish = async (
  node: MessagingNode,
  ...messages: readonly MessageSource[]
): Promise<boolean> => {
  const peer = node.peer()
  for (const each of messages) while (peer.session.publish(each, true) < 0) await node.pass(1)
  await node.pass(50)
  return (
    peer.confirms.at(-1)?.to === messages.length &&
    peer.confirms.every(({ code }) => code === undefined)
  )
}

const settleAll = async (node: MessagingNode, queue = 'q'): Promise<Peer> => {
  const peer = node.peer()
  const consumer = peer.consume(queue)
  await node.pass(300)
  peer.session.settle(peer.received.splice(0), 'ack')
  await node.run(peer.session.flushSettlements())
  consumer.cancel()
  return peer
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `id${index}`)

const bytesOf = (world: World): number =>
  segmentFiles(world).reduce((sum, path) => sum + world.disk.contentOf(path).length, 0)

describe('the message ids of a queue with a window', () => {
  it.each(['kill', 'losePower', 'close'] as const)(
    'are known after the process is gone (%s), and a repeat is confirmed and not stored',
    async (end) => {
      const { world, node } = await start()
      expect(await publish(node, ...ids(20).map((id) => withId(id)))).toBe(true)
      if (end === 'close') await node.node.close()
      else world[end]()
      const again = await open(world)
      expect(await publish(again, ...ids(20).map((id) => withId(id)))).toBe(true)
      expect(again.ready()).toBe(20)
      expect(await publish(again, withId('another'))).toBe(true)
      expect(again.ready()).toBe(21)
    },
  )

  it('are known of what was settled', async () => {
    const { world, node } = await start()
    await publish(node, ...ids(20).map((id) => withId(id)))
    await settleAll(node)
    world.losePower()
    const again = await open(world)
    expect(await publish(again, withId('id0'), withId('id19'))).toBe(true)
    expect(again.ready()).toBe(0)
  })

  it('are known over a second restart, which has no record of the repeat', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    for (let life = 0; life < 3; life++) {
      world.losePower()
      const again = await open(world)
      await publish(again, withId('a'))
      expect(again.ready()).toBe(1)
    }
  })

  it('are known for the time that is left of the window, and not longer', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    await node.pass(WINDOW_MS / 2)
    world.kill()
    const again = await open(world)
    await again.pass(WINDOW_MS / 2 - 1_000)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
    await again.pass(1_000)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(2)
  })

  it('are not known when the window has passed before the start', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    await node.pass(WINDOW_MS)
    world.kill()
    const again = await open(world)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(2)
  })

  it('are those that are stored: what died with the process may come again', async () => {
    const { world, node } = await start()
    node.peer().session.publish(withId('a'), true)
    world.losePower()
    const again = await open(world)
    expect(await publish(again, withId('a'))).toBe(true)
    expect(again.ready()).toBe(1)
  })

  it('are known whatever priority the message has', async () => {
    const { world, node } = await start({ priorityMax: 3 })
    await publish(node, withId('low'), withId('high', { priority: 3 }))
    world.losePower()
    const again = await open(world)
    await publish(again, withId('low', { priority: 2 }), withId('high'))
    expect(again.ready()).toBe(2)
  })

  it('go with a queue in memory', async () => {
    const { world, node } = await start({ isDurable: false })
    await publish(node, withId('a'), withId('a'))
    expect(node.ready()).toBe(1)
    world.kill()
    const again = await open(world)
    await again.declare('q', { dedupWindowMs: WINDOW_MS, isDurable: false })
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
  })

  it('go with the queue', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    await node.declare('q', { dedupWindowMs: WINDOW_MS })
    world.losePower()
    const again = await open(world)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
  })
})

describe('what is read at a start', () => {
  const reads = async (world: World): Promise<number> => {
    const reading = jest.spyOn(LogReader.prototype, 'read')
    await open(world)
    const labels = reading.mock.calls.map(([log]) => log.label)
    reading.mockRestore()
    return labels.filter((label) => label === 'q/0').length
  }

  it('is nothing of a queue without a window', async () => {
    const world = newWorld()
    const node = await open(world)
    await node.declare()
    await publish(node, ...ids(20).map(padded))
    world.kill()
    expect(await reads(world)).toBe(0)
  })

  it('is the window, and not what waits from before', async () => {
    const { world, node } = await start()
    await publish(node, ...ids(200).map(padded))
    const all = await (async () => {
      world.kill()
      return reads(world)
    })()
    const second = await open(world)
    await second.pass(WINDOW_MS)
    await publish(second, padded('young'))
    world.kill()
    expect(await reads(world)).toBeLessThan(Math.min(all, 4))
    const third = await open(world)
    await publish(third, padded('young'))
    expect(third.ready()).toBe(201)
  })
})

describe('settled messages of a queue with a window', () => {
  it('stay until the window has passed, and then give their room back', async () => {
    const { world, node } = await start()
    await publish(node, ...ids(100).map(padded))
    const before = bytesOf(world)
    expect(before).toBeGreaterThan(150_000)
    await settleAll(node)
    await node.pass(WINDOW_MS / 2)
    expect(bytesOf(world)).toBeGreaterThanOrEqual(before)
    world.losePower()
    const again = await open(world)
    await publish(again, ...ids(100).map(padded))
    expect(again.ready()).toBe(0)
    await again.pass(WINDOW_MS)
    expect(bytesOf(world)).toBeLessThan(before / 4)
  })

  it('stay behind one that is not settled, and then give their room back too', async () => {
    const { world, node } = await start()
    await publish(node, ...ids(100).map(padded))
    const before = bytesOf(world)
    const peer = node.peer()
    peer.consume()
    await node.pass(300)
    peer.session.settle(peer.received.slice(1), 'ack')
    await node.pass(WINDOW_MS / 2)
    expect(bytesOf(world)).toBeGreaterThanOrEqual(before)
    await node.pass(WINDOW_MS)
    expect(bytesOf(world)).toBeLessThan(before / 4)
  })

  it('stay for the longer of window and retention', async () => {
    const { world, node } = await start({ retentionMs: 1_000 })
    await publish(node, ...ids(100).map(padded))
    const before = bytesOf(world)
    await settleAll(node)
    await node.pass(WINDOW_MS / 2)
    expect(bytesOf(world)).toBeGreaterThanOrEqual(before)
  })

  it('are kept by the clock that dates them, wherever the wall clock goes meanwhile', async () => {
    const { world, node } = await start()
    world.clock.jump(-3_600_000)
    await publish(node, ...ids(100).map(padded))
    const before = bytesOf(world)
    await settleAll(node)
    await node.pass(WINDOW_MS / 2)
    expect(bytesOf(world)).toBeGreaterThanOrEqual(before)
    await node.pass(WINDOW_MS)
    expect(bytesOf(world)).toBeLessThan(before / 4)
  })
})

describe('a wall clock that was set while the broker was away', () => {
  it('back: ids are known for a window from the start', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    world.kill()
    world.clock.jump(-3_600_000)
    const again = await open(world)
    await again.pass(WINDOW_MS - 1_000)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
    await again.pass(1_000)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(2)
  })

  it('forward by more than the window: they are forgotten', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    world.kill()
    world.clock.jump(3_600_000)
    const again = await open(world)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(2)
  })
})

describe('message ids that cannot be read', () => {
  it('in a damaged range are forgotten with their messages, and no others are', async () => {
    const { world, node } = await start()
    await publish(node, ...ids(100).map(padded))
    await node.node.close()
    const path = segmentFiles(world)
      .filter((file) => world.disk.contentOf(file).length > 10_000)
      .at(2)!
    world.disk.flipBit(path, 1_000 * 8)
    const again = await open(world)
    expect(await publish(again, ...ids(100).map(padded))).toBe(true)
    const { texts } = await settleAll(again)
    const seen = texts.map((text) => text.replace(/\.+$/, ''))
    expect([...seen].sort()).toEqual(ids(100).sort())
    expect(seen).not.toEqual(ids(100))
  })

  it('keep nothing from its start, and nobody from publishing', async () => {
    const { world, node } = await start()
    await publish(node, withId('a'))
    world.kill()
    const { read } = LogReader.prototype
    const reading = jest.spyOn(LogReader.prototype, 'read')
    reading.mockImplementation(function (this: LogReader, log, ...rest) {
      if (log.label !== 'q/0') return read.call(this, log, ...rest)
      return Promise.reject(Object.assign(new Error('broken'), { code: 'EIO' }))
    })
    const again = await open(world)
    expect(reading.mock.calls.some(([log]) => log.label === 'q/0')).toBe(true)
    reading.mockRestore()
    expect(await publish(again, withId('a'))).toBe(true)
    expect(again.ready()).toBe(2)
  })
})

describe('ids of several logs', () => {
  const filled = (found: FoundIds): DedupWindow => {
    const window = new DedupWindow()
    found.fill(window)
    return window
  }

  it('are entered by their times, the youngest of an id last', () => {
    const found = new FoundIds()
    for (const atMs of [40, 50]) found.enter('same', atMs)
    for (const atMs of [20, 30]) found.enter('same', atMs)
    found.enter('older', 10)
    const window = filled(found)
    expect(window.count).toBe(2)
    expect(window.isRepeat('same', 149, 100)).toBe(true)
    expect(window.count).toBe(1)
  })

  it('are held as far as the limits say, the youngest of them', () => {
    const found = new FoundIds({ countMax: 3, bytesMax: 1_000 })
    for (const atMs of [5, 6, 7]) found.enter(`${atMs}`, atMs)
    for (const atMs of [1, 2, 3]) found.enter(`${atMs}`, atMs)
    expect(found.count).toBe(6)
    found.enter('4', 4)
    expect(found.count).toBe(3)
    const window = filled(found)
    expect(['5', '6', '7'].every((id) => window.isRepeat(id, 7, 100))).toBe(true)
  })

  it('are held as far as their bytes say', () => {
    const found = new FoundIds({ countMax: 100, bytesMax: 20 })
    for (const atMs of [1, 2, 2, 3, 4]) found.enter('x'.repeat(10) + String(atMs), atMs)
    expect(found.count).toBe(2)
    expect(filled(found).isRepeat('x'.repeat(10) + '4', 4, 100)).toBe(true)
  })
})
