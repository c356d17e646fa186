import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { temporaryDirectory, type TemporaryDirectory } from '@millrace/testing'
import { descriptorOf } from '../../src/net/range-writer.ts'
import {
  isWorthAnotherCall,
  loadSystemCalls,
  type SystemCalls,
} from '../../src/net/system-calls.ts'

const BYTES = 8 << 20
const content = Buffer.alloc(BYTES)
for (let at = 0; at < BYTES; at += 4) content.writeUInt32LE((at * 2_654_435_761) >>> 0, at)

let directory: TemporaryDirectory
let file: number
let calls: SystemCalls

beforeAll(async () => {
  directory = await temporaryDirectory()
  const path = join(directory.path, 'file')
  writeFileSync(path, content)
  file = openSync(path, 'r+')
  fsyncSync(file)
  const loaded = await loadSystemCalls()
  if ('reason' in loaded) throw new Error(loaded.reason)
  calls = loaded
})

afterAll(async () => {
  closeSync(file)
  await directory.remove()
})

it('moves bytes from a file to a socket until that is full, and says so', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  const [socket] = (await once(server, 'connection')) as [Socket]
  const descriptor = descriptorOf(socket) ?? -1
  let sent = 0
  let outcome = 0
  for (let count = 0; count < 1_000 && outcome >= 0; count++) {
    outcome = calls.sendFile(descriptor, file, 12_345, 65_536)
    sent += Math.max(outcome, 0)
  }
  expect(outcome).toBe(-constants.errno.EAGAIN)
  expect(isWorthAnotherCall(outcome)).toBe(true)
  socket.end()
  const chunks: Buffer[] = []
  for await (const chunk of peer) chunks.push(chunk as Buffer)
  const received = Buffer.concat(chunks)
  expect(received).toHaveLength(sent)
  expect(received.subarray(0, 65_536).equals(content.subarray(12_345, 12_345 + 65_536))).toBe(true)
  server.close()
})

it('tells errors by their numbers', () => {
  expect(calls.sendFile(-1, file, 0, 10)).toBe(-constants.errno.EBADF)
  expect(isWorthAnotherCall(-constants.errno.EBADF)).toBe(false)
})

it('knows what is in memory, and that nothing is behind the end', () => {
  expect([0, 4_096, BYTES - 1].map((at) => calls.isCached(file, at))).toEqual([true, true, true])
  expect(calls.isCached(file, BYTES)).toBe(false)
})

it('keeps to its own memory, however often it is asked', () => {
  for (let count = 0; count < 200_000; count++) {
    calls.isCached(file, (count * 4_096) % BYTES)
    if (count % 1_000 === 0) Array.from({ length: 1_000 }, () => new Uint8Array(1))
  }
  expect(calls.isCached(file, 0)).toBe(true)
})
