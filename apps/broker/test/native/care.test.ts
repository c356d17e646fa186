/** STORAGE_CHECK and BACKUP over the real engine: what comes back, and what goes on meanwhile. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  decodeBackedUp,
  decodeErrorBody,
  decodeStorageChecked,
  encodeBackup,
  encodePing,
  encodeStorageCheck,
  Opcode,
} from '@millrace/protocol'
import { RawPeer } from '../support/raw-peer.ts'
import { type RealServer, startRealServer } from '../support/real-server.ts'

let real: RealServer
let peer: RawPeer

beforeEach(async () => {
  real = await startRealServer()
  peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('orders')
  for (let index = 0; index < 50; index++) peer.produce(handle, `${index}`)
  for (let index = 0; index < 50; index++) await peer.take(Opcode.PRODUCED)
})

afterEach(async () => {
  peer.close()
  await real.stop()
})

const errorOf = async (): Promise<number> => {
  const { body } = await peer.take(Opcode.ERROR)
  return decodeErrorBody(body).code
}

it('says that all is well, of everything and of one topic', async () => {
  for (const request of [{}, { topic: 'orders' }]) {
    peer.send(Opcode.STORAGE_CHECK, encodeStorageCheck(request))
    const { body } = await peer.take(Opcode.STORAGE_CHECKED)
    expect(decodeStorageChecked(body)).toMatchObject({ damagedRanges: 0, ranges: [], files: [] })
  }
  peer.send(Opcode.STORAGE_CHECK, encodeStorageCheck({ topic: 'none' }))
  expect(await errorOf()).toBe(0x0101)
})

it('takes a backup under the name asked for, once', async () => {
  peer.send(Opcode.BACKUP, encodeBackup({ name: 'monday' }))
  const { body } = await peer.take(Opcode.BACKED_UP)
  const { name, path, files } = decodeBackedUp(body)
  expect(name).toBe('monday')
  expect(files).toBeGreaterThan(3)
  expect(existsSync(join(path, 'backup.json'))).toBe(true)
  peer.send(Opcode.BACKUP, encodeBackup({ name: 'monday' }))
  expect(await errorOf()).toBe(0x0104)
})

it.each(['', '..', '../out', 'a/b', 'x.partial', 'a'.repeat(101), 'ä'])(
  'makes no directory of the name %j',
  async (name) => {
    peer.send(Opcode.BACKUP, encodeBackup({ name }))
    expect(await errorOf()).toBe(0x0104)
  },
)

it('answers others while it works, and refuses a second of the kind', async () => {
  peer.send(Opcode.BACKUP, encodeBackup({ name: 'one' }))
  peer.send(Opcode.BACKUP, encodeBackup({ name: 'two' }))
  peer.send(Opcode.PING, encodePing({ echo: new Uint8Array(0) }))
  await peer.take(Opcode.PONG)
  expect(await errorOf()).toBe(0x0401)
  await peer.take(Opcode.BACKED_UP)
})
