/** Who may do what with exchanges and queues, over the wire and the real engine. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeError } from '@millrace/protocol'
import * as wire from '@millrace/protocol'
import { findHandler } from '../../../src/native/request-table.ts'
import { killLeftOvers, temporary } from '../../support/command.ts'
import { RawPeer } from '../../support/raw-peer.ts'
import { type RealServer, startRealServer } from '../../support/real-server.ts'
import { messageOf } from './support.ts'

const { Opcode } = wire
const PASSWORD = 'correct horse battery'

// Six passwords are hashed before the first test.
jest.setTimeout(30_000)

const rights = ['configure', 'write', 'read', 'administer'] as const
const everybody = ['root', 'nobody', ...rights] as const

type Right = (typeof rights)[number]

let server: RealServer
let directory: { path: string; remove: () => Promise<void> }

const connectAs = (user: string): Promise<RawPeer> =>
  RawPeer.open(server.port, {
    mechanism: 'PLAIN',
    initial: Buffer.from(`\0${user}\0${PASSWORD}`),
  })

/** The answer, or the code of the error. */
const ask = async (peer: RawPeer, opcode: number, body: Uint8Array): Promise<string> => {
  const correlation = peer.send(opcode, body)
  for (;;) {
    const frame = await peer.next()
    if (frame === undefined) return 'closed'
    if (frame.correlation !== correlation) continue
    if (frame.opcode === Opcode.ERROR) return decodeError(frame.body).code
    if (opcode !== Opcode.PUBLISH) return 'none'
    const [first] = wire.decodePublished(frame.body).outcomes
    return first?.error === 0x0304 ? 'ERR_NOT_AUTHORIZED' : 'none'
  }
}

const grant = (user: string, effect: string, kind: string, pattern: string): Uint8Array =>
  wire.encodePermission({ user, effect, actions: [user], namespace: '/', kind, pattern })

beforeAll(async () => {
  directory = await temporary()
  const file = join(directory.path, 'password')
  writeFileSync(file, `${PASSWORD}\n`)
  server = await startRealServer({
    'auth.bootstrapUser': 'root',
    'auth.bootstrapPasswordFile': file,
  })
  const root = await connectAs('root')
  for (const user of ['nobody', ...rights]) {
    const put = wire.encodeUserPut({ user, create: true, password: PASSWORD })
    expect(await ask(root, Opcode.USER_PUT, put)).toBe('none')
  }
  for (const user of rights)
    for (const kind of ['queue', 'exchange']) {
      await ask(root, Opcode.PERMISSION_GRANT, grant(user, 'allow', kind, '*'))
      await ask(root, Opcode.PERMISSION_GRANT, grant(user, 'deny', kind, 'secret'))
    }
  for (const name of ['here', 'secret']) {
    await ask(root, Opcode.QUEUE_DECLARE, wire.encodeQueueDeclare({ queue: name }))
    await ask(root, Opcode.EXCHANGE_DECLARE, wire.encodeExchangeDeclare({ exchange: name }))
  }
  root.close()
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
  killLeftOvers()
})

const visible: readonly Right[] = ['configure', 'write', 'read']
/** Two rights, of which each of these users has one. */
const both: readonly Right[] = []

const bindingOf = (name: string): wire.Binding => ({
  exchange: name,
  targetKind: 'queue',
  target: name,
  routingKey: 'k',
})

/** Requests about a queue or an exchange of a name: who may, and a body. */
const matrix: readonly [keyof typeof Opcode, readonly string[], (name: string) => Uint8Array][] = [
  ['EXCHANGE_DECLARE', ['configure'], (exchange) => wire.encodeExchangeDeclare({ exchange })],
  ['EXCHANGE_DESCRIBE', visible, (exchange) => wire.encodeExchangeDescribe({ exchange })],
  ['BIND', both, (name) => wire.encodeBinding(bindingOf(name))],
  ['UNBIND', both, (name) => wire.encodeBinding(bindingOf(name))],
  ['QUEUE_DECLARE', ['configure'], (queue) => wire.encodeQueueDeclare({ queue })],
  ['QUEUE_DESCRIBE', visible, (queue) => wire.encodeQueueDescribe({ queue })],
  ['QUEUE_ALTER', ['configure'], (queue) => wire.encodeQueueAlter({ queue, settings: {} })],
  ['QUEUE_PURGE', ['read'], (queue) => wire.encodeQueueDescribe({ queue })],
  ['QUEUE_PEEK', ['read'], (queue) => wire.encodeQueuePeek({ queue })],
  ['QUEUE_MOVE', both, (queue) => wire.encodeQueueMove({ queue, exchange: queue })],
  ['QUEUE_REPLAY', ['configure'], (queue) => wire.encodeQueueReplay({ queue, since: 0 })],
  [
    'CONSUME',
    ['read'],
    (queue) => wire.encodeConsume({ consumer: queue === 'here' ? 1 : 2, queue }),
  ],
  ['GET', ['read'], (queue) => wire.encodeGet({ queue })],
  [
    'PUBLISH',
    ['write'],
    (exchange) => wire.encodePublish({ isSilent: false, messages: [messageOf('x', { exchange })] }),
  ],
  [
    'COMMIT',
    ['write'],
    (exchange) => wire.encodeCommit({ settlements: [], messages: [messageOf('x', { exchange })] }),
  ],
  ['QUEUE_DELETE', ['configure'], (queue) => wire.encodeQueueDelete({ queue, ifUnused: true })],
  ['EXCHANGE_DELETE', ['configure'], (exchange) => wire.encodeExchangeDelete({ exchange })],
]

/** What nobody is asked a right for: lists show what is visible, the rest is one's own. */
const general: readonly [keyof typeof Opcode, () => Uint8Array][] = [
  ['EXCHANGE_LIST', () => wire.encodeNameList({})],
  ['BINDING_LIST', () => wire.encodeBindingList({ skip: 0 })],
  ['QUEUE_LIST', () => wire.encodeNameList({})],
  ['CONSUMER_ALTER', () => wire.encodeConsumerAlter({ consumer: 9, credit: 1 })],
  ['CONSUMER_CANCEL', () => wire.encodeConsumerNumber({ consumer: 9 })],
  [
    'SETTLE',
    () => wire.encodeSettle({ outcome: 0, isDurable: false, ranges: [{ from: 1, to: 1 }] }),
  ],
]

const mayUse = (who: string, needed: readonly string[]): boolean =>
  who === 'root' || needed.includes(who)

describe.each(everybody)('%s', (who) => {
  let peer: RawPeer
  beforeAll(async () => {
    peer = await connectAs(who)
    // Deletions of the one before are made good.
    const root = await connectAs('root')
    await ask(root, Opcode.QUEUE_DECLARE, wire.encodeQueueDeclare({ queue: 'here' }))
    await ask(root, Opcode.EXCHANGE_DECLARE, wire.encodeExchangeDeclare({ exchange: 'here' }))
    root.close()
  })
  afterAll(() => peer.close())

  it.each(matrix)('%s needs %j', async (name, needed, body) => {
    const on = (resource: string) => ask(peer, Opcode[name], body(resource))
    expect((await on('here')) === 'ERR_NOT_AUTHORIZED').toBe(!mayUse(who, needed))
    if (who !== 'root') expect(await on('secret')).toBe('ERR_NOT_AUTHORIZED')
    if (name === 'CONSUME')
      await ask(peer, Opcode.CONSUMER_CANCEL, wire.encodeConsumerNumber({ consumer: 1 }))
  })

  it.each(general)('%s needs nothing', async (name, body) => {
    expect(await ask(peer, Opcode[name], body())).not.toBe('ERR_NOT_AUTHORIZED')
  })

  it('sees in lists what it has a right to', async () => {
    peer.send(Opcode.QUEUE_LIST, wire.encodeNameList({}))
    const { body } = await peer.take(Opcode.QUEUE_LISTED)
    const names = wire.decodeQueueListed(body).queues.map(({ queue }) => queue)
    expect(names.includes('secret')).toBe(who === 'root')
  })
})

it('has every request about exchanges and queues in its tables', () => {
  const covered = new Set<string>([...matrix, ...general].map(([name]) => name))
  const asked = Object.entries(Opcode).filter(
    ([, opcode]) => opcode >= Opcode.EXCHANGE_DECLARE && findHandler(opcode)?.isCounted === true,
  )
  expect(asked.map(([name]) => name).filter((name) => !covered.has(name))).toEqual([])
})

it('takes away what a consumer may no longer read', async () => {
  const root = await connectAs('root')
  const peer = await connectAs('read')
  await ask(root, Opcode.QUEUE_DECLARE, wire.encodeQueueDeclare({ queue: 'later' }))
  expect(await ask(peer, Opcode.GET, wire.encodeGet({ queue: 'later' }))).toBe('none')
  await ask(root, Opcode.PERMISSION_GRANT, grant('read', 'deny', 'queue', 'later'))
  expect(await ask(peer, Opcode.GET, wire.encodeGet({ queue: 'later' }))).toBe('ERR_NOT_AUTHORIZED')
  peer.close()
  root.close()
})
