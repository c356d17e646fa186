import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startBroker, temporaryDirectory } from '@millrace/testing'
import type { TemporaryDirectory } from '@millrace/testing'

/** Stands in for the command: writes the ready file, says something, waits. */
const standIn = `
const { writeFileSync } = require('node:fs')
const ready = process.argv[process.argv.indexOf('--ready-file') + 1]
console.log('arguments', process.argv.slice(2).join(' '), process.env.MILLRACE_TEST ?? '')
if (process.argv.includes('--fail')) { console.error('cannot start'); process.exit(3) }
process.on('SIGTERM', () => process.exit(0))
writeFileSync(ready, JSON.stringify({ pid: process.pid, native: 7001, http: 7002 }))
setInterval(() => {}, 1000)
`

describe('startBroker', () => {
  let scratch: TemporaryDirectory
  let command: string

  beforeEach(async () => {
    scratch = await temporaryDirectory()
    command = join(scratch.path, 'command.cjs')
    await writeFile(command, standIn)
  })

  afterEach(() => scratch.remove())

  it('resolves with the ports of the ready file and stops on SIGTERM', async () => {
    const broker = await startBroker({ command, env: { MILLRACE_TEST: 'seen' }, args: ['--x'] })
    expect(broker.ports).toEqual({ native: 7001, http: 7002 })
    expect(broker.url).toContain('127.0.0.1:7001')
    expect(broker.pid).toBeGreaterThan(0)
    await expect(broker.stop()).resolves.toEqual({ code: 0, signal: null })
    expect(broker.stdout()).toContain('--native-port 0 --http-port 0')
    expect(broker.stdout()).toContain('--x seen')
  })

  it('kills with SIGKILL', async () => {
    const broker = await startBroker({ command })
    await expect(broker.kill()).resolves.toEqual({ code: null, signal: 'SIGKILL' })
  })

  it('fails with what the process wrote when it ends before it serves', async () => {
    const started = startBroker({ command, args: ['--fail'] })
    await expect(started).rejects.toThrow(/ended with 3[^]*cannot start/)
  })

  it('fails when the process never serves', async () => {
    await writeFile(command, 'setInterval(() => {}, 1000)')
    await expect(startBroker({ command, readyWithinMs: 200 })).rejects.toThrow(
      'not ready in 200 ms',
    )
  })
})

describe('temporaryDirectory', () => {
  it('is there until it is removed, with all it holds', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'x'), 'x')
    await directory.remove()
    expect(existsSync(directory.path)).toBe(false)
  })
})
