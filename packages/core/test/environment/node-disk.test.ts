/** The real disk: what the simulated one only plays. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory, type TemporaryDirectory } from '@millrace/testing'
import { createNodeDisk } from '../../src/environment/node-disk.ts'

describe('the disk of the operating system', () => {
  let scratch: TemporaryDirectory
  const disk = createNodeDisk()
  const at = (name: string): string => join(scratch.path, name)

  beforeEach(async () => {
    scratch = await temporaryDirectory('millrace-disk-')
  })

  afterEach(() => scratch.remove())

  it('writes many parts at a position and reads them back', async () => {
    const file = await disk.open(at('f'), 'create')
    const parts = Array.from({ length: 1_500 }, (_, index) => new Uint8Array([index & 0xff, 7]))
    await file.write(parts, 10)
    await file.write([], 5)
    await file.sync()
    expect(await file.size()).toBe(3_010)
    const bytes = new Uint8Array(4_000)
    expect(await file.read(bytes, 10)).toBe(3_000)
    expect([bytes[0], bytes[1], bytes[2_998]]).toEqual([0, 7, 1_499 & 0xff])
    await file.truncate(20)
    expect(await file.read(bytes, 10)).toBe(10)
    expect(await file.read(new Uint8Array(0), 0)).toBe(0)
    await file.close()
    expect(await disk.sizeOf(at('f'))).toBe(20)
  })

  it('fails with the codes of the operating system', async () => {
    await (await disk.open(at('f'), 'create')).close()
    await expect(disk.open(at('f'), 'create')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(disk.open(at('g'), 'write')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.remove(at('g'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.list(at('g'))).rejects.toMatchObject({ code: 'ENOENT' })
    const read = await disk.open(at('f'), 'read')
    await expect(read.write([new Uint8Array(1)], 0)).rejects.toMatchObject({ code: 'EBADF' })
    await read.close()
    expect(await disk.sizeOf(at('g'))).toBeUndefined()
  })

  it('syncs one file one after the other, and never again after a failure', async () => {
    const file = await disk.open(at('f'), 'create')
    const answers: ((error: Error | null) => void)[] = []
    const fdatasync = jest
      .spyOn(fs, 'fdatasync')
      .mockImplementation(
        ((_descriptor: number, answer: (error: Error | null) => void) =>
          void answers.push(answer)) as typeof fs.fdatasync,
      )
    try {
      const first = file.sync()
      const second = file.sync()
      await Promise.resolve()
      expect(answers).toHaveLength(1)
      answers[0]?.(null)
      await first
      await Promise.resolve()
      expect(answers).toHaveLength(2)
      const third = file.sync()
      answers[1]?.(Object.assign(new Error('failed'), { code: 'EIO' }))
      await expect(second).rejects.toMatchObject({ code: 'EIO' })
      await expect(third).rejects.toMatchObject({ code: 'EIO' })
      await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
      expect(answers).toHaveLength(2)
    } finally {
      fdatasync.mockRestore()
    }
    await file.close()
  })

  it('fails every sync of a directory that waited for one that failed', async () => {
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => disk.syncDirectory(at('d'))))
    await disk.makeDirectory(at('d'))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await Promise.all([1, 2, 3].map(() => disk.syncDirectory(at('d'))))
  })

  it('makes, lists, renames and removes names', async () => {
    await disk.makeDirectory(at('d'))
    await disk.makeDirectory(at('d'))
    await (await disk.open(at('d/one'), 'create')).close()
    await disk.rename(at('d/one'), at('d/two'))
    await disk.link(at('d/two'), at('d/again'))
    await expect(disk.link(at('d/two'), at('d/again'))).rejects.toMatchObject({ code: 'EEXIST' })
    await disk.remove(at('d/again'))
    await disk.syncDirectory(at('d'))
    expect(await disk.list(at('d'))).toEqual(['two'])
    await disk.remove(at('d/two'))
    await disk.removeDirectory(at('d'))
    expect(await disk.freeBytes(scratch.path)).toBeGreaterThan(0)
  })

  it('gives a directory to one holder at a time, in one process too', async () => {
    const lock = await disk.lock(scratch.path)
    await expect(disk.lock(scratch.path)).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_LOCKED',
      message: expect.stringContaining(String(process.pid)),
    })
    await lock.release()
    await (await disk.lock(scratch.path)).release()
  })

  it('refuses a directory that another process holds, names it, and has it when that one is killed', async () => {
    // The holder does what the lock does: it takes the name that the kernel drops with the process.
    const script = `
      const fs = require('node:fs'), net = require('node:net')
      const s = fs.statSync(process.argv[1], { bigint: true })
      const name = '\\0millrace-' + s.dev.toString(16) + '-' + s.ino.toString(16)
      fs.writeFileSync(process.argv[1] + '/LOCK', process.pid + '\\n')
      net.createServer().listen(name, () => process.stdout.write('held'))`
    const child = spawn(process.execPath, ['-e', script, scratch.path])
    await once(child.stdout, 'data')
    await expect(disk.lock(scratch.path)).rejects.toMatchObject({
      message: expect.stringContaining(String(child.pid)),
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const lock = await disk.lock(scratch.path)
    expect((await readFile(at('LOCK'), 'utf8')).trim()).toBe(String(process.pid))
    await lock.release()
  })
})
