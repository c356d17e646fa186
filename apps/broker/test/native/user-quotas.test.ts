/** Quotas of single users, from the request that sets them to the connection they hold for. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as wire from '@millrace/protocol'
import { UsageError } from '../../src/cli/failure.ts'
import { readQuotas } from '../../src/cli/user-quotas.ts'
import { temporary } from '../support/command.ts'
import { connectBody, RawPeer } from '../support/raw-peer.ts'
import { startRealServer } from '../support/real-server.ts'

const { Opcode } = wire
const PASSWORD = 'correct horse battery'

const plain = (user: string) => ({
  mechanism: 'PLAIN',
  initial: Buffer.from(`\0${user}\0${PASSWORD}`),
})

it('hold for the user from its next login on, and for nobody else', async () => {
  const directory = await temporary()
  const file = join(directory.path, 'password')
  writeFileSync(file, `${PASSWORD}\n`)
  const server = await startRealServer({
    'auth.bootstrapUser': 'root',
    'auth.bootstrapPasswordFile': file,
  })
  const root = await RawPeer.open(server.port, plain('root'))
  const put = async (change: wire.UserPut): Promise<wire.UserDescription> => {
    root.send(Opcode.USER_PUT, wire.encodeUserPut(change))
    return wire.decodeUserDescription((await root.take(Opcode.USER_STORED)).body)
  }
  await put({ user: 'ann', create: true, password: PASSWORD })
  const first = await RawPeer.open(server.port, plain('ann'))
  const stored = await put({ user: 'ann', create: false, quotas: { connections: 2, topics: 1 } })
  expect(stored.quotas).toEqual({ connections: 2, topics: 1 })
  const second = await RawPeer.open(server.port, plain('ann'))
  const third = await RawPeer.dial(server.port)
  third.send(Opcode.CONNECT, wire.encodeConnect({ ...connectBody, ...plain('ann') }))
  const refused = { code: 'ERR_QUOTA_EXCEEDED', message: /2 connections of 'ann'/ }
  expect(await third.takeError()).toMatchObject({
    code: refused.code,
    message: expect.stringMatching(refused.message) as string,
  })
  const other = await RawPeer.open(server.port, plain('root'))
  for (const peer of [root, first, second, other]) peer.close()
  await server.stop()
  await directory.remove()
})

describe('--quota', () => {
  it('reads sizes and counts', () => {
    expect(readQuotas(['in=10mb', 'out=0', 'connections=5', 'topics=50'])).toEqual({
      bytesInPerSecond: 10 * 1024 * 1024,
      bytesOutPerSecond: 0,
      connections: 5,
      topics: 50,
    })
    expect(readQuotas(['none'])).toEqual({})
  })

  it.each(['in', 'in=', 'in=fast', 'connections=1.5', 'topics=5mb', 'constructor=1', ''])(
    'refuses %j',
    (text) => {
      expect(() => readQuotas([text])).toThrow(UsageError)
    },
  )
})
