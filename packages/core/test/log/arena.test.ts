import { Arena } from '../../src/log/arena.ts'
import { ReadBufferPool } from '../../src/log/read-buffer-pool.ts'

const POISON = 0xdb

describe('the arena', () => {
  const small = (): Arena => new Arena({ poison: true, slabBytes: 100 })

  it('packs small bytes into one slab and gives large ones one to themselves', () => {
    const arena = small()
    const [one, two] = [arena.allocate(20), arena.allocate(50)]
    expect(one.slab).toBe(two.slab)
    expect(two.view.byteOffset).toBe(20)
    const large = arena.allocate(51)
    expect(large.slab).not.toBe(one.slab)
    expect(arena.allocate(30).slab).toBe(one.slab)
    expect(arena.allocate(101)).toMatchObject({ slab: undefined })
  })

  it('uses a slab again that a large one has had, and no sooner', () => {
    const arena = small()
    const large = arena.copy(new Uint8Array(80).fill(7))
    const { slab } = large
    arena.retain(slab)
    arena.release(slab)
    expect(arena.allocate(80).slab).not.toBe(slab)
    expect(large.view[79]).toBe(7)
    arena.release(slab)
    expect(large.view[79]).toBe(POISON)
    expect(arena.allocate(80).slab).toBe(slab)
  })

  it('uses a slab again only when every view of it is given back', () => {
    const arena = small()
    const views = Array.from({ length: 4 }, () => arena.copy(new Uint8Array(25).fill(7)))
    const slab = views[0]?.slab
    arena.allocate(25)
    arena.retain(slab)
    for (const view of views) arena.release(view.slab)
    expect(views[0]?.view[0]).toBe(7)
    arena.release(slab)
    expect(views[0]?.view[0]).toBe(POISON)
    for (let count = 0; count < 4; count++) arena.allocate(25)
    expect(arena.allocate(25).slab === slab || arena.allocate(25).slab === slab).toBe(true)
  })

  it('does not take the slab it is filling for free', () => {
    const arena = small()
    const one = arena.copy(new Uint8Array(10).fill(1))
    arena.release(one.slab)
    const two = arena.copy(new Uint8Array(10).fill(2))
    expect(two.slab).toBe(one.slab)
    expect(two.view.byteOffset).toBe(10)
  })
})

describe('read buffers', () => {
  it('are used again after their release, poisoned, and released once however often it is asked', () => {
    const pool = new ReadBufferPool({ poison: true })
    const one = pool.take(100)
    one.bytes.fill(1)
    one.release()
    one.release()
    expect(one.bytes[0]).toBe(POISON)
    const two = pool.take(100)
    const three = pool.take(100)
    expect(two.bytes).toBe(one.bytes)
    expect(three.bytes).not.toBe(one.bytes)
  })

  it('hold what was asked for, at every size', () => {
    const pool = new ReadBufferPool()
    for (const bytes of [0, 1, 65_536, 65_537, 1_064_960, 1_064_961, 5_000_000])
      expect(pool.take(bytes).bytes.length).toBeGreaterThanOrEqual(bytes)
  })
})
