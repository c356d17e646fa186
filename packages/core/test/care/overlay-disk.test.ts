import { SeededRandom } from '@millrace/testing'
import { OverlayDisk } from '../../src/care/overlay-disk.ts'
import { newWorld, overwrite } from '../support/node.ts'

const bytesOf = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('a disk over another', () => {
  it('reads as a file of its own would, whatever is written and cut, and leaves the other alone', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = newWorld(seed)
      const random = new SeededRandom(seed)
      const original = Uint8Array.from({ length: 10_000 }, () => random.below(256))
      await overwrite(world, '/file', original)
      const overlay = new OverlayDisk(world.boot().disk)
      const run = <T>(work: Promise<T>): Promise<T> => world.scheduler.runUntil(work)
      const file = await run(overlay.open('/file', 'write'))
      let model = Buffer.from(original)
      for (let step = 0; step < 40; step++) {
        const at = random.below(14_000)
        if (random.chance(0.3)) {
          await run(file.truncate(at))
          model = Buffer.concat([
            model.subarray(0, at),
            Buffer.alloc(Math.max(0, at - model.length)),
          ])
        } else {
          const part = bytesOf(random.below(6_000), step + 1)
          await run(file.write([part], at))
          if (at > model.length) model = Buffer.concat([model, Buffer.alloc(at - model.length)])
          model = Buffer.concat([
            model.subarray(0, at),
            part,
            model.subarray(Math.min(model.length, at + part.length)),
          ])
        }
        const seen = Buffer.alloc(20_000)
        const other = await run(overlay.open('/file', 'read'))
        const count = await run(other.read(seen, 0))
        expect(Buffer.compare(seen.subarray(0, count), model)).toBe(0)
        expect(await run(other.size())).toBe(model.length)
      }
      expect(Buffer.compare(world.disk.contentOf('/file'), original)).toBe(0)
      await run(overlay.close())
    }
  })

  it('makes, lists, renames and removes names that only it knows', async () => {
    const world = newWorld()
    await overwrite(world, '/a', bytesOf(3, 1))
    await overwrite(world, '/b', bytesOf(3, 2))
    const overlay = new OverlayDisk(world.boot().disk)
    const run = <T>(work: Promise<T>): Promise<T> => world.scheduler.runUntil(work)
    await run(overlay.makeDirectory('/d'))
    await run(overlay.open('/d/new', 'create'))
    await run(overlay.rename('/a', '/d/a'))
    await run(overlay.remove('/b'))
    expect((await run(overlay.list('/d'))).sort()).toEqual(['a', 'new'])
    expect(await run(overlay.list(''))).toEqual(['d'])
    const codeOf = (work: Promise<unknown>): Promise<string> =>
      run(
        work.then(
          () => 'done',
          (error: { code: string }) => error.code,
        ),
      )
    expect(await codeOf(overlay.open('/b', 'read'))).toBe('ENOENT')
    expect(await codeOf(overlay.open('/a', 'write'))).toBe('ENOENT')
    expect(await codeOf(overlay.open('/d/a', 'create'))).toBe('EEXIST')
    expect(await codeOf(overlay.list('/none'))).toBe('ENOENT')
    expect(await run(overlay.sizeOf('/d/a'))).toBe(3)
    await run(overlay.open('/b', 'create'))
    expect(world.disk.files().sort()).toEqual(['/a', '/b'])
  })
})
