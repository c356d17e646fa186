import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nobodyText, readAuthPolicy } from '../../src/auth/auth-policy.ts'
import type { ConfigValues } from '../../src/config/config-table.ts'
import { defaultValues, startFakeServer } from '../support/fake-server.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-auth-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const file = (name: string, content: string): string => {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

const isRequired = async (changes: Partial<ConfigValues>, userCount: number): Promise<boolean> =>
  (await readAuthPolicy(defaultValues(changes))).isRequired({ userCount })

const problemOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    return (error as { problems?: readonly string[] }).problems?.join('\n') ?? String(error)
  }
  return ''
}

const SECRET = 'a secret that is long enough to be one'

it.each<[string, () => Partial<ConfigValues>, boolean, boolean]>([
  ['auto on loopback', () => ({}), false, true],
  ['auto beyond loopback', () => ({ host: '0.0.0.0' }), true, true],
  ['auto with a key', () => ({ 'auth.tokenKeyFile': file('key', SECRET) }), true, true],
  ['required', () => ({ 'auth.mode': 'required' }), true, true],
  ['off', () => ({ 'auth.mode': 'off' }), false, false],
])(
  'with %s logins are required without users: %s, and with some: %s',
  async (_name, changes, without, withSome) => {
    expect(await isRequired(changes(), 0)).toBe(without)
    expect(await isRequired(changes(), 1)).toBe(withSome)
  },
)

it.each(['0.0.0.0', '::', '192.0.2.1', 'broker.example'])(
  'refuses to serve everybody on %s',
  async (host) => {
    const problem = await problemOf(readAuthPolicy(defaultValues({ host, 'auth.mode': 'off' })))
    expect(problem).toContain(`host '${host}' is refused with auth.mode off`)
    expect(problem).toContain("set auth.mode to 'auto'")
  },
)

it('refuses a host beyond loopback where nobody could log in, and says what to do', async () => {
  expect(await problemOf(startFakeServer({ host: '0.0.0.0' }))).toBe(nobodyText('0.0.0.0'))
  expect(nobodyText('0.0.0.0')).toContain('auth.bootstrapUser and auth.bootstrapPasswordFile')
})

it('serves beyond loopback with a first administrator from a file', async () => {
  const server = await startFakeServer({
    host: '0.0.0.0',
    'auth.bootstrapUser': 'root',
    'auth.bootstrapPasswordFile': file('password', 'correct horse\n'),
  })
  expect(server.broker.identity.findUser('root')).toMatchObject({ isAdministrator: true })
  expect(JSON.stringify(server.environment.lines)).toContain('auth.first-administrator')
  expect(JSON.stringify(server.environment.lines)).not.toContain('correct horse')
  await server.stop()
})

it.each<[string, () => Partial<ConfigValues>, string]>([
  ['without a file', () => ({}), 'auth.bootstrapUser needs auth.bootstrapPasswordFile'],
  [
    'of a file that is not there',
    () => ({ 'auth.bootstrapPasswordFile': join(directory, 'none') }),
    'cannot be read (ENOENT)',
  ],
  [
    'that is too short',
    () => ({ 'auth.bootstrapPasswordFile': file('password', 'short') }),
    'at least 8 characters',
  ],
])('refuses a first administrator with a password %s', async (_name, changes, text) => {
  const problem = await problemOf(startFakeServer({ 'auth.bootstrapUser': 'root', ...changes() }))
  expect(problem).toContain(text)
  expect(problem).not.toContain("'short'")
})

it.each<[string, () => Partial<ConfigValues>, string]>([
  ['that is not there', () => ({ 'auth.tokenKeyFile': join(directory, 'none') }), '(ENOENT)'],
  ['that is a directory', () => ({ 'auth.tokenKeyFile': directory }), '(EISDIR)'],
  ['that is too short', () => ({ 'auth.tokenKeyFile': file('k', 'hunter2') }), '32 bytes'],
  ['that is too large', () => ({ 'auth.jwksFile': file('k', 'x'.repeat(1_048_577)) }), 'too large'],
  ['that is broken', () => ({ 'auth.jwksFile': file('k', '{"keys": hunter2') }), 'it is not JSON'],
  ['by a bad URL', () => ({ 'auth.jwksUrl': 'http://issuer.example/' }), 'it must be https'],
  [
    'twice',
    () => ({ 'auth.tokenKeyFile': 'a', 'auth.jwksFile': 'b' }),
    'auth.tokenKeyFile and auth.jwksFile exclude each other',
  ],
])('refuses a key for tokens %s', async (_name, changes, text) => {
  const problem = await problemOf(readAuthPolicy(defaultValues(changes())))
  expect(problem).toContain(text)
  expect(problem).not.toContain('hunter2')
})
