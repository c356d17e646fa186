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

it('collects what nobody holds any more', () => {
  const hold = (): WeakRef<Uint8Array> => new WeakRef(new Uint8Array(32 * 1024 * 1024))
  const before = process.memoryUsage().external
  hold()
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      collectGarbage()
      expect(process.memoryUsage().external).toBeLessThan(before + 16 * 1024 * 1024)
      resolve()
    })
  })
})
