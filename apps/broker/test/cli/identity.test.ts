/** `millrace user`, `permission` and `can` as people use them, against the real broker. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BrokerProcess, startBroker } from '@millrace/testing'
import { loginOf } from '../../src/cli/login.ts'
import { parseResource } from '../../src/cli/resource-text.ts'
import { type CommandResult, killLeftOvers, run, temporary } from '../support/command.ts'

jest.setTimeout(60_000)

let broker: BrokerProcess
let directory: { path: string; remove: () => Promise<void> }
afterEach(killLeftOvers)

beforeAll(async () => {
  directory = await temporary()
  broker = await startBroker({ env: {} })
})
afterAll(async () => {
  await broker.stop()
  await directory.remove()
})

const file = (name: string, content: string): string => {
  const path = join(directory.path, name)
  writeFileSync(path, content)
  return path
}

const millrace = (args: readonly string[], env: Record<string, string> = {}) =>
  run(args, { env: { MILLRACE_URL: broker.url, ...env } })

const expectOk = (result: CommandResult): string => {
  expect(result).toMatchObject({ code: 0, stderr: '' })
  return result.stdout
}

it('goes from a broker that asks nobody to one that knows its users', async () => {
  const rootFile = file('root', 'root password\n')
  const annFile = file('ann', 'ann password\n')
  const asRoot = { MILLRACE_USER: 'root', MILLRACE_PASSWORD_FILE: rootFile }
  const asAnn = ['--user', 'ann', '--password-file', annFile]

  const notYet = await millrace(['user', 'create', 'ann', '--password-file', annFile])
  expect(notYet.code).toBe(2)
  expect(notYet.stderr).toContain('the first user must be one')

  const created = await millrace(['user', 'create', 'root', '--password-file', rootFile, '--admin'])
  expect(expectOk(created)).toBe('created administrator root\n')

  const anonymous = await millrace(['user', 'list'])
  expect(anonymous.code).toBe(1)
  expect(anonymous.stderr).toContain("mechanism 'ANONYMOUS' is not offered")
  expect(anonymous.stderr).toContain('next:  log in with --user and --password-file')

  expectOk(await millrace(['user', 'create', 'ann', '--password-file', annFile], asRoot))
  expectOk(await millrace(['topic', 'create', 'orders.eu'], asRoot))
  const before = await millrace(['can', 'ann', 'write', 'topic:orders.eu'], asRoot)
  expect(before).toMatchObject({ code: 1, stdout: 'no: no permission allows it\n' })
  const refused = await millrace(['pub', 'orders.eu', 'hello', ...asAnn])
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain("'ann' may not see 'topic:orders.eu'")

  const granted = await millrace(
    ['permission', 'grant', 'ann', 'write,read', 'topic:orders.*'],
    asRoot,
  )
  expect(expectOk(granted)).toBe('ann may write, read topic:orders.*\n')
  const can = await millrace(['can', 'ann', 'write', 'topic:orders.eu', ...asAnn])
  expect(expectOk(can)).toBe('yes: ann may write, read topic:orders.*\n')
  expectOk(await millrace(['pub', 'orders.eu', 'hello', ...asAnn]))
  expect(expectOk(await millrace(['sub', 'orders.eu', '--no-follow', ...asAnn]))).toBe('hello\n')

  const denied = ['permission', 'grant', '*', 'write', 'topic:*.eu', '--deny']
  expect(expectOk(await millrace(denied, asRoot))).toBe('every user may not write topic:*.eu\n')
  expect((await millrace(['pub', 'orders.eu', 'again', ...asAnn])).code).toBe(1)
  const list = expectOk(await millrace(['permission', 'list'], asRoot))
  expect(list).toContain('*     deny    write       topic:*.eu')
  const revoke = ['permission', 'revoke', 'ann', 'read', 'topic:orders.*']
  expect(expectOk(await millrace(revoke, asRoot))).toBe('revoked; left is: write\n')
  expect(expectOk(await millrace(revoke, asRoot))).toBe('there was no such permission\n')

  expectOk(await millrace(['user', 'password', 'ann', '--password-file', rootFile], asRoot))
  const old = await millrace(['topic', 'list', ...asAnn])
  expect(old.stderr).toContain('authentication failed')
  expectOk(await millrace(['user', 'alter', 'ann', '--disable'], asRoot))
  expect((await millrace(['topic', 'list', '--user', 'ann'], asRoot)).code).toBe(1)
  const users = expectOk(await millrace(['user', 'list', '--output', 'jsonl'], asRoot))
  const shown = users
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(shown).toMatchObject([
    { user: 'ann', disabled: true, administrator: false, hasPassword: true, revision: 3 },
    { user: 'root', disabled: false, administrator: true },
  ])
  expect(expectOk(await millrace(['user', 'delete', 'ann'], asRoot))).toBe('deleted ann\n')
  expect((await millrace(['user', 'delete', 'root'], asRoot)).code).toBe(2)
})

it.each([
  [['user', 'create', 'x'], 'no way to log in'],
  [['user', 'alter', 'x'], 'nothing to change'],
  [['can', 'x', 'read', 'orders'], 'is no resource'],
  [['can', 'x', 'read', '*:orders'], 'ask about one kind'],
  [['permission', 'grant', 'x', 'read', 'topic:'], 'is no resource'],
  [['topic', 'list', '--user', 'x'], 'there is no password'],
])('millrace %j says what is wrong', async (args, text) => {
  const result = await millrace(args)
  expect(result.code).toBe(2)
  expect(result.stderr).toContain(text)
})

it.each([
  ['topic:orders', { namespace: '/', kind: 'topic', name: 'orders' }],
  ['shop//topic:orders.*', { namespace: 'shop', kind: 'topic', name: 'orders.*' }],
  ['*//*:*', { namespace: '*', kind: '*', name: '*' }],
  ['topic:a:b', { namespace: '/', kind: 'topic', name: 'a:b' }],
  ['topic:a//b', { namespace: '/', kind: 'topic', name: 'a//b' }],
])('reads %s as a resource', (text, expected) => {
  expect(parseResource(text)).toEqual(expected)
})

describe('a login', () => {
  it('is that of the flags, else that of the environment, else none', () => {
    const one = file('one', 'first password\r\n')
    const two = file('two', 'second password')
    const environment = { MILLRACE_USER: 'env', MILLRACE_PASSWORD_FILE: two }
    expect(loginOf({}, {})).toBeUndefined()
    expect(loginOf({}, environment)).toEqual({ username: 'env', password: 'second password' })
    expect(loginOf({ user: 'flag', passwordFile: one }, environment)).toEqual({
      username: 'flag',
      password: 'first password',
    })
    expect(loginOf({}, { MILLRACE_TOKEN_FILE: one })).toHaveProperty('token')
    const user = { user: 'flag', passwordFile: one }
    expect(loginOf(user, { MILLRACE_TOKEN_FILE: two })).toHaveProperty('username', 'flag')
  })

  it('reads a token anew each time it is asked for', async () => {
    const path = file('token', 'one\n')
    const { token } = loginOf({ tokenFile: path }, {}) as { token: () => Promise<string> }
    expect(await token()).toBe('one')
    file('token', 'two\n')
    expect(await token()).toBe('two')
  })
})
