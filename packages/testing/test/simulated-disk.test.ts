import { isBrokerError } from '@millrace/codec'
import type { Disk, DiskFile } from '@millrace/core'
import { Scheduler, SeededRandom, SimulatedDisk, SimulatedWorld } from '@millrace/testing'

const filled = (count: number, value: number): Uint8Array => new Uint8Array(count).fill(value)

class Bench {
  readonly scheduler = new Scheduler()
  readonly hardware: SimulatedDisk
  disk: Disk

  constructor(seed = 1) {
    this.hardware = new SimulatedDisk({
      scheduler: this.scheduler,
      random: new SeededRandom(seed),
    })
    this.disk = this.hardware.boot()
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.runUntil(promise)
  }

  /** A file whose name is durable. */
  async file(path = '/data'): Promise<DiskFile> {
    const file = await this.run(this.disk.open(path, 'create'))
    await this.run(this.disk.syncDirectory('/'))
    return file
  }

  async put(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
    await this.run(file.write([bytes], position))
  }

  crash(): void {
    this.hardware.crash()
    this.disk = this.hardware.boot()
  }

  content(path = '/data'): number[] {
    return [...this.hardware.contentOf(path)]
  }

  exists(path: string): boolean {
    return this.hardware.files().includes(path)
  }
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  )

describe('calls', () => {
  it('reads what was written, short at the end', async () => {
    const bench = new Bench()
    const file = await bench.file()
    await bench.run(file.write([filled(3, 1), filled(2, 2)], 2))
    const target = new Uint8Array(10)
    await expect(bench.run(file.read(target, 1))).resolves.toBe(6)
    expect([...target]).toEqual([0, 1, 1, 1, 2, 2, 0, 0, 0, 0])
    await expect(bench.run(file.read(target, 99))).resolves.toBe(0)
    await expect(bench.run(file.size())).resolves.toBe(7)
    await expect(bench.run(bench.disk.sizeOf('/data'))).resolves.toBe(7)
  })

  it('reads zeros where a truncated file has grown again', async () => {
    const bench = new Bench()
    const file = await bench.file()
    await bench.put(file, filled(8, 9), 0)
    await bench.run(file.truncate(2))
    await bench.put(file, filled(1, 7), 5)
    expect(bench.content()).toEqual([9, 9, 0, 0, 0, 7])
  })

  it('takes the bytes of a write when it takes effect', async () => {
    const bench = new Bench()
    const file = await bench.file()
    const bytes = filled(4, 1)
    const writing = file.write([bytes], 0)
    bytes.fill(2)
    await bench.run(writing)
    expect(bench.content()).toEqual([2, 2, 2, 2])
  })

  it('knows no size of a file that is not there, nor of one in a missing directory', async () => {
    const bench = new Bench()
    await expect(bench.run(bench.disk.sizeOf('/none'))).resolves.toBeUndefined()
    await expect(bench.run(bench.disk.sizeOf('/none/none'))).resolves.toBeUndefined()
  })

  it('lets concurrent calls overtake each other', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      const seen: number[] = []
      const writes = [0, 1, 2].map((at) =>
        file.write([filled(1, at)], at).then(() => seen.push(at)),
      )
      await bench.run(Promise.all(writes))
      outcomes.add(seen.join())
    }
    expect(outcomes.size).toBeGreaterThan(3)
  })

  it.each([
    ['a missing file', 'ENOENT', (disk: Disk) => disk.open('/none', 'write')],
    ['a file in a missing directory', 'ENOENT', (disk: Disk) => disk.open('/none/x', 'create')],
    ['an existing file to be created', 'EEXIST', (disk: Disk) => disk.open('/data', 'create')],
    ['a directory as a file', 'EISDIR', (disk: Disk) => disk.open('/', 'read')],
    ['a file as a directory', 'ENOTDIR', (disk: Disk) => disk.list('/data')],
    ['the names of a missing directory', 'ENOENT', (disk: Disk) => disk.list('/none')],
    ['a missing file to be renamed', 'ENOENT', (disk: Disk) => disk.rename('/none', '/x')],
    ['a missing file to be removed', 'ENOENT', (disk: Disk) => disk.remove('/none')],
    ['a missing directory to be synced', 'ENOENT', (disk: Disk) => disk.syncDirectory('/none')],
  ])('refuses %s with %s', async (_, code, call) => {
    const bench = new Bench()
    await bench.file()
    await expect(codeOf(bench.run<unknown>(call(bench.disk)))).resolves.toBe(code)
  })

  it('refuses to write through a handle for reading, and anything through a closed one', async () => {
    const bench = new Bench()
    await bench.file()
    const file = await bench.run(bench.disk.open('/data', 'read'))
    await expect(codeOf(file.write([filled(1, 1)], 0))).resolves.toBe('EBADF')
    await bench.run(file.close())
    await expect(codeOf(file.read(new Uint8Array(1), 0))).resolves.toBe('EBADF')
    await expect(codeOf(file.close())).resolves.toBe('EBADF')
  })

  it('removes only empty directories', async () => {
    const bench = new Bench()
    await bench.run(bench.disk.makeDirectory('/a'))
    await bench.run(bench.disk.makeDirectory('/a'))
    await bench.run(bench.disk.open('/a/x', 'create'))
    await expect(codeOf(bench.run(bench.disk.removeDirectory('/a')))).resolves.toBe('ENOTEMPTY')
    await bench.run(bench.disk.remove('/a/x'))
    await bench.run(bench.disk.removeDirectory('/a'))
    await expect(bench.run(bench.disk.list('/'))).resolves.toEqual([])
  })

  it('locks a directory until it is released or the process ends', async () => {
    const bench = new Bench()
    const lock = await bench.run(bench.disk.lock('/'))
    const refused = await bench.run(bench.disk.lock('/').catch((error: unknown) => error))
    expect(isBrokerError(refused) && refused.code).toBe('ERR_DIRECTORY_LOCKED')
    await bench.run(lock.release())
    await bench.run(bench.disk.lock('/'))
    bench.crash()
    await bench.run(bench.disk.lock('/'))
  })
})

describe('power loss', () => {
  it('keeps what was synced, over 1,000 seeds', async () => {
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(700, 1), 0)
      await bench.run(file.sync())
      await bench.put(file, filled(900, 2), 700)
      bench.crash()
      expect(bench.content().slice(0, 700)).toEqual([...filled(700, 1)])
    }
  })

  it('loses, keeps and tears what was not synced, and extends files with zeros', async () => {
    const fates = { lost: 0, kept: 0, torn: 0, zeros: 0 }
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(10_000, 1), 0)
      bench.crash()
      const content = bench.content()
      const count = content.filter((byte) => byte === 1).length
      if (content.length === 0) fates.lost++
      else if (count === 10_000) fates.kept++
      else if (count > 0) fates.torn++
      else fates.zeros++
      expect(content.every((byte) => byte === 0 || byte === 1)).toBe(true)
    }
    expect(Math.min(...Object.values(fates))).toBeGreaterThan(30)
  })

  it('tears at sectors only, and never touches bytes outside of the write', async () => {
    let tornCount = 0
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(9000, 1), 0)
      await bench.run(file.sync())
      await bench.put(file, filled(5000, 2), 1000)
      bench.crash()
      const content = bench.content()
      expect(content.slice(0, 1000).every((byte) => byte === 1)).toBe(true)
      expect(content.slice(6000).every((byte) => byte === 1)).toBe(true)
      for (let at = 1001; at < 6000; at++) {
        if (content[at] === content[at - 1]) continue
        tornCount++
        expect(at % 512).toBe(0)
      }
    }
    expect(tornCount).toBeGreaterThan(100)
  })

  it('keeps any subset of several writes', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      for (let at = 0; at < 3; at++) await bench.put(file, filled(1, 1), at)
      bench.crash()
      seen.add([0, 1, 2].map((at) => bench.content()[at] ?? 0).join(''))
    }
    expect(seen.size).toBe(8)
  })

  it('covers by a sync only the writes that had completed when it was called', async () => {
    let lostCount = 0
    for (let seed = 0; seed < 200; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(1, 1), 0)
      const late = file.write([filled(1, 2)], 1)
      await bench.run(Promise.all([file.sync(), late]))
      bench.crash()
      expect(bench.content()[0]).toBe(1)
      if (bench.content()[1] !== 2) lostCount++
    }
    expect(lostCount).toBeGreaterThan(20)
  })

  it('may or may not carry out a truncation that was not synced', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 200; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(10, 1), 0)
      await bench.run(file.sync())
      await bench.run(file.truncate(4))
      bench.crash()
      lengths.add(bench.content().length)
    }
    expect([...lengths].sort()).toEqual([10, 4])
  })

  it('may carry out calls that were under way, and settles none of them', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 200; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      let isSettled = false
      void file.write([filled(8, 1)], 0).finally(() => (isSettled = true))
      bench.crash()
      await bench.scheduler.runFor(1000)
      expect(isSettled).toBe(false)
      seen.add(bench.content().join(''))
    }
    expect(seen).toContain('')
    expect(seen).toContain('11111111')
  })

  it('rejects every call of the old process', async () => {
    const bench = new Bench()
    const old = bench.disk
    const file = await bench.file()
    bench.crash()
    await expect(codeOf(file.read(new Uint8Array(1), 0))).resolves.toBe('EIO')
    await expect(codeOf(file.sync())).resolves.toBe('EIO')
    await expect(codeOf(old.list('/'))).resolves.toBe('EIO')
  })
})

describe('names', () => {
  it('keeps a name whose directory was synced, and the file may yet be empty', async () => {
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      await bench.file('/kept')
      bench.crash()
      expect(bench.exists('/kept')).toBe(true)
    }
  })

  it('loses a created file though its content was synced, when its name was not', async () => {
    let lostCount = 0
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      const file = await bench.run(bench.disk.open('/new', 'create'))
      await bench.put(file, filled(4, 1), 0)
      await bench.run(file.sync())
      bench.crash()
      if (!bench.exists('/new')) lostCount++
      else expect(bench.content('/new')).toEqual([1, 1, 1, 1])
    }
    expect(lostCount).toBeGreaterThan(200)
    expect(lostCount).toBeLessThan(800)
  })

  it('leaves the old name when a rename is lost', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 1000; seed++) {
      const bench = new Bench(seed)
      await bench.file('/old')
      await bench.run(bench.disk.rename('/old', '/new'))
      bench.crash()
      seen.add(bench.hardware.files().join())
    }
    expect([...seen].sort()).toEqual(['/new', '/old'])
  })

  it('leaves what a lost rename would have replaced', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const bench = new Bench(seed)
      for (const [path, value] of [
        ['/name', 1],
        ['/name.tmp', 2],
      ] as const) {
        const file = await bench.file(path)
        await bench.put(file, filled(1, value), 0)
        await bench.run(file.sync())
      }
      await bench.run(bench.disk.rename('/name.tmp', '/name'))
      bench.crash()
      seen.add(`${bench.content('/name').join()} ${bench.exists('/name.tmp')}`)
    }
    expect([...seen].sort()).toEqual(['1 true', '2 false'])
  })

  it('moves between directories whole or not at all', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const bench = new Bench(seed)
      await bench.run(bench.disk.makeDirectory('/a'))
      await bench.run(bench.disk.makeDirectory('/b'))
      await bench.run(bench.disk.syncDirectory('/'))
      await bench.run(bench.disk.open('/a/x', 'create'))
      await bench.run(bench.disk.syncDirectory('/a'))
      await bench.run(bench.disk.rename('/a/x', '/b/x'))
      bench.crash()
      seen.add(bench.hardware.files().join())
    }
    expect([...seen].sort()).toEqual(['/a/x', '/b/x'])
  })

  it('brings a removed file back with its content when the removal is lost', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(2, 5), 0)
      await bench.run(file.sync())
      await bench.run(bench.disk.remove('/data'))
      bench.crash()
      seen.add(bench.exists('/data') ? bench.content().join() : 'gone')
    }
    expect([...seen].sort()).toEqual(['5,5', 'gone'])
  })

  it('loses all below a directory whose own name is lost', async () => {
    let lostCount = 0
    for (let seed = 0; seed < 200; seed++) {
      const bench = new Bench(seed)
      await bench.run(bench.disk.makeDirectory('/a'))
      await bench.run(bench.disk.open('/a/x', 'create'))
      await bench.run(bench.disk.syncDirectory('/a'))
      bench.crash()
      if (!bench.exists('/a/x')) lostCount++
    }
    expect(lostCount).toBeGreaterThan(40)
    expect(lostCount).toBeLessThan(160)
  })

  it('gives a file two names that are removed and lost one by one, and counts it once', async () => {
    const bench = new Bench()
    const file = await bench.file('/a')
    await bench.put(file, filled(100, 7), 0)
    await bench.run(file.sync())
    await bench.run(file.close())
    await bench.run(bench.disk.link('/a', '/b'))
    expect(bench.hardware.usedBytes).toBe(100)
    expect(await bench.run(codeOf(bench.disk.link('/a', '/b')))).toBe('EEXIST')
    expect(await bench.run(codeOf(bench.disk.link('/none', '/c')))).toBe('ENOENT')
    await bench.run(bench.disk.syncDirectory('/'))
    await bench.run(bench.disk.remove('/a'))
    expect(bench.hardware.usedBytes).toBe(100)
    expect(bench.content('/b')).toEqual(Array(100).fill(7))
    await bench.run(bench.disk.syncDirectory('/'))
    bench.crash()
    expect(bench.hardware.files()).toEqual(['/b'])
    await bench.run(bench.disk.remove('/b'))
    expect(bench.hardware.usedBytes).toBe(0)
  })

  it('keeps all names after a sync of their directory, removals and renames alike', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const bench = new Bench(seed)
      for (const path of ['/a', '/b', '/c']) await bench.run(bench.disk.open(path, 'create'))
      await bench.run(bench.disk.remove('/a'))
      await bench.run(bench.disk.rename('/b', '/d'))
      await bench.run(bench.disk.syncDirectory('/'))
      bench.crash()
      expect(bench.hardware.files().sort()).toEqual(['/c', '/d'])
    }
  })
})

describe('process death', () => {
  it('keeps everything that was written, synced or not, and power loss may still take it', async () => {
    let lostCount = 0
    for (let seed = 0; seed < 100; seed++) {
      const bench = new Bench(seed)
      const file = await bench.run(bench.disk.open('/data', 'create'))
      await bench.put(file, filled(600, 3), 0)
      bench.hardware.kill()
      bench.disk = bench.hardware.boot()
      expect(bench.content()).toEqual([...filled(600, 3)])
      bench.crash()
      if (!bench.exists('/data') || bench.content().length === 0) lostCount++
    }
    expect(lostCount).toBeGreaterThan(20)
  })
})

describe('faults', () => {
  it.each(['open', 'read', 'write', 'sync', 'truncate'] as const)(
    'fails the second %s',
    async (kind) => {
      const bench = new Bench()
      const file = await bench.file()
      bench.hardware.inject({ kind, nth: 2, code: 'EIO' })
      const calls = {
        open: () => bench.disk.open('/data', 'read'),
        read: () => file.read(new Uint8Array(1), 0),
        write: () => file.write([filled(1, 1)], 0),
        sync: () => file.sync(),
        truncate: () => file.truncate(0),
      }
      const codes: string[] = []
      for (let index = 0; index < 3; index++)
        codes.push(await codeOf(bench.run<unknown>(calls[kind]())))
      expect(codes).toEqual(['resolved', 'EIO', 'resolved'])
      expect(bench.hardware.counters.failures[kind]).toBe(1)
    },
  )

  it.each(['rename', 'remove', 'list', 'syncDirectory'] as const)(
    'fails a %s and does nothing',
    async (kind) => {
      const bench = new Bench()
      await bench.file()
      bench.hardware.inject({ kind, nth: 1, code: 'EIO' })
      const calls = {
        rename: () => bench.disk.rename('/data', '/other'),
        remove: () => bench.disk.remove('/data'),
        list: () => bench.disk.list('/'),
        syncDirectory: () => bench.disk.syncDirectory('/'),
      }
      await expect(codeOf(bench.run<unknown>(calls[kind]()))).resolves.toBe('EIO')
      expect(bench.exists('/data')).toBe(true)
    },
  )

  it('fails only calls on paths that match', async () => {
    const bench = new Bench()
    await bench.file()
    bench.hardware.inject({
      kind: 'open',
      nth: 1,
      code: 'EMFILE',
      matches: (path) => path === '/x',
    })
    await bench.run(bench.disk.open('/data', 'read'))
    await expect(codeOf(bench.run(bench.disk.open('/x', 'create')))).resolves.toBe('EMFILE')
  })

  it('leaves a prefix of a failed write, sometimes none of it', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 50; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      bench.hardware.inject({ kind: 'write', nth: 1, code: 'EIO' })
      await expect(codeOf(bench.run(file.write([filled(20, 1)], 0)))).resolves.toBe('EIO')
      expect(bench.content().every((byte) => byte === 1)).toBe(true)
      lengths.add(bench.content().length)
    }
    expect(lengths.size).toBeGreaterThan(5)
  })

  it('loses writes by a failed sync for good, though later syncs succeed', async () => {
    const fates = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      const bench = new Bench(seed)
      const file = await bench.file()
      await bench.put(file, filled(4, 1), 0)
      bench.hardware.inject({ kind: 'sync', nth: 1, code: 'EIO' })
      await expect(codeOf(bench.run(file.sync()))).resolves.toBe('EIO')
      expect(bench.content()).toEqual([1, 1, 1, 1])
      await bench.run(file.sync())
      expect(bench.hardware.counters.syncsAfterFailure).toBe(1)
      if (seed % 2 === 0) bench.hardware.kill()
      else bench.hardware.crash()
      fates.add(bench.content().join(''))
    }
    expect([...fates].sort()).toEqual(['', '1111'])
  })

  it('fills up: the part that fits is written, the call fails, and room comes back', async () => {
    const bench = new Bench()
    const file = await bench.file()
    await bench.put(file, filled(60, 1), 0)
    bench.hardware.capacityBytes = 100
    await expect(bench.run(bench.disk.freeBytes('/'))).resolves.toBe(40)
    await expect(codeOf(bench.run(file.write([filled(80, 2)], 50)))).resolves.toBe('ENOSPC')
    expect(bench.content()).toHaveLength(100)
    await bench.put(file, filled(100, 3), 0)
    await expect(codeOf(bench.run(bench.disk.open('/new', 'create')))).resolves.toBe('ENOSPC')
    await bench.run(file.truncate(10))
    await bench.put(file, filled(80, 4), 10)
    expect(bench.hardware.usedBytes).toBe(90)
    await bench.run(file.close())
    await bench.run(bench.disk.remove('/data'))
    expect(bench.hardware.usedBytes).toBe(0)
  })

  it('gives the room of a removed file back once it is closed', async () => {
    const bench = new Bench()
    const file = await bench.file()
    await bench.put(file, filled(60, 1), 0)
    await bench.run(bench.disk.remove('/data'))
    expect(bench.hardware.usedBytes).toBe(60)
    await bench.run(file.close())
    expect(bench.hardware.usedBytes).toBe(0)
  })

  it('flips bits and zeroes pages at rest', async () => {
    const bench = new Bench()
    const file = await bench.file()
    await bench.put(file, filled(9000, 0xff), 0)
    await bench.run(file.sync())
    bench.hardware.flipBit('/data', 8 * 5 + 1)
    bench.hardware.zeroPage('/data', 1)
    bench.crash()
    const content = bench.content()
    expect(content[5]).toBe(0xfd)
    expect(content.slice(4096, 8192).every((byte) => byte === 0)).toBe(true)
    expect(content.filter((byte) => byte === 0xff)).toHaveLength(9000 - 4096 - 1)
  })
})

describe('determinism', () => {
  const play = async (seed: number): Promise<number> => {
    const world = new SimulatedWorld({ seed })
    const { disk, random } = world.boot()
    const file = await world.scheduler.runUntil(disk.open('/data', 'create'))
    for (let step = 0; step < 50; step++) {
      const bytes = filled(random.uint32() % 3000, step)
      await world.scheduler.runUntil(
        Promise.all([file.write([bytes], random.uint32() % 9000), file.sync(), disk.list('/')]),
      )
    }
    world.losePower()
    for (const path of world.disk.files())
      world.note(`${path} ${world.disk.contentOf(path).join()}`)
    return world.trace.hash
  }

  it('gives the same trace for the same seed, another for another', async () => {
    expect(await play(11)).toBe(await play(11))
    expect(await play(11)).not.toBe(await play(12))
  })
})
