import { collectGarbage, ProcessMemory } from '../../src/alarms/process-memory.ts'

it('counts heap, buffers and the runtime, and not what was freed and is kept', () => {
  let usage = { rss: 100, heapTotal: 30, external: 20 }
  const memory = new ProcessMemory(() => usage)
  expect(memory.usedBytes).toBe(100)
  usage = { rss: 300, heapTotal: 60, external: 150 }
  expect(memory.usedBytes).toBe(260)
  usage = { rss: 300, heapTotal: 40, external: 20 }
  expect(memory.usedBytes).toBe(110)
})

it('never counts more than is resident', () => {
  let usage = { rss: 100, heapTotal: 30, external: 20 }
  const memory = new ProcessMemory(() => usage)
  usage = { rss: 120, heapTotal: 90, external: 200 }
  expect(memory.usedBytes).toBe(120)
})

it('collects what nobody holds any more', async () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const drop = (): WeakRef<Uint8Array> => new WeakRef(new Uint8Array(32 * 1024 * 1024))
  collectGarbage()
  const before = process.memoryUsage().external
  const dropped = drop()
  // A reference lives at least as long as the turn that made it.
  await turn()
  collectGarbage()
  expect(dropped.deref()).toBeUndefined()
  expect(process.memoryUsage().external).toBeLessThan(before + 16 * 1024 * 1024)
})
