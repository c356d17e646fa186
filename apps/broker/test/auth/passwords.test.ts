import { isBrokerError } from '@millrace/codec'
import { ADDRESS_FAILURES_FREE_COUNT } from '../../src/auth/limits.ts'
import { hostOf, LoginThrottle } from '../../src/auth/login-throttle.ts'
import { beginPlain, type PlainOptions } from '../../src/auth/plain-exchange.ts'
import { prepareText } from '../../src/auth/prepared-text.ts'
import { ScryptQueue } from '../../src/auth/scrypt-queue.ts'
import { VerifiedLogins } from '../../src/auth/verified-logins.ts'
import { contextOf, createRealm, ManualClock, nameOf, type Realm, say, system } from './support.ts'

const optionsOf = (realm: Realm): PlainOptions => ({ ...realm, underWay: new Map() })

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    if (isBrokerError(error)) return error.code
    throw error
  }
  return 'none'
}

/** Counts the hashes that are really made. */
const countHashes = (realm: Realm): { count: number } => {
  const counter = { count: 0 }
  const run = realm.queue.run.bind(realm.queue)
  realm.queue.run = (request) => {
    counter.count += 1
    return run(request)
  }
  return counter
}

const logIn = async (
  options: PlainOptions,
  message: string,
  context = contextOf(),
): Promise<string | undefined> => {
  const outcome = await say(beginPlain(context, options), message)
  if (outcome.kind !== 'failure') return nameOf(outcome)
  return outcome.error?.code
}

describe('PLAIN', () => {
  it('lets in who knows the password, and nobody else', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
    expect(await logIn(options, 'ann\0ann\0correct horse')).toBe('ann')
    expect(await logIn(options, 'root\0ann\0correct horse')).toBeUndefined()
    expect(await logIn(options, '\0ann\0correct hors')).toBeUndefined()
  })

  it.each(['', 'ann', '\0ann', '\0ann\0', '\0\0correct horse', '\0ann\0correct horse\0'])(
    'refuses %j',
    async (message) => {
      const realm = await createRealm()
      await realm.addUser('ann', 'correct horse')
      const outcome = await say(beginPlain(contextOf(), optionsOf(realm)), message)
      expect(outcome.kind).toBe(message === '' ? 'challenge' : 'failure')
    },
  )

  it('takes a password in either spelling of the same characters', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'caf\u00e9 au lait')
    expect(await logIn(optionsOf(realm), '\0ann\0cafe\u0301\u00a0au\u2003lait')).toBe('ann')
  })

  it('hashes as much for a user that is not there', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const hashes = countHashes(realm)
    await logIn(optionsOf(realm), '\0nobody\0correct horse')
    expect(hashes.count).toBe(1)
    await logIn(optionsOf(realm), '\0ann\0wrong')
    expect(hashes.count).toBe(2)
  })

  it('refuses a disabled user with the right password', async () => {
    const realm = await createRealm()
    await realm.addUser('root', 'correct horse')
    await realm.addUser('ann', 'correct horse')
    await realm.identity.putUser(system, { user: 'ann', create: false, isDisabled: true })
    expect(await logIn(optionsOf(realm), '\0ann\0correct horse')).toBeUndefined()
  })
})

describe('a verified login', () => {
  it('costs no hash until it is old', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    const hashes = countHashes(realm)
    for (let index = 0; index < 5; index++)
      expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
    expect(hashes.count).toBe(1)
    realm.clock.nowMs += 5 * 60_000
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
    expect(hashes.count).toBe(2)
  })

  it('costs one hash for a thousand who come at once', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    const hashes = countHashes(realm)
    const all = Array.from({ length: 1_000 }, () => logIn(options, '\0ann\0correct horse'))
    expect(new Set(await Promise.all(all))).toEqual(new Set(['ann']))
    expect(hashes.count).toBe(1)
  })

  it('is gone with the password, with the user, and with its successor', async () => {
    const realm = await createRealm()
    await realm.addUser('root', 'correct horse')
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
    await realm.setPassword('ann', 'another horse')
    expect(await logIn(options, '\0ann\0correct horse')).toBeUndefined()
    expect(await logIn(options, '\0ann\0another horse')).toBe('ann')
    await realm.identity.deleteUser(system, { user: 'ann' })
    expect(await logIn(options, '\0ann\0another horse')).toBeUndefined()
    await realm.addUser('ann', 'third horse')
    expect(await logIn(options, '\0ann\0another horse')).toBeUndefined()
  })

  it('is one of at most so many, the one unused longest going first', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const user = realm.identity.findUser('ann')!
    const verified = new VerifiedLogins(new ManualClock(), new Uint8Array(32), 2)
    verified.add('a', user)
    verified.add('b', user)
    expect(verified.has('a', user)).toBe(true)
    verified.add('c', user)
    expect(verified.count).toBe(2)
    expect([verified.has('a', user), verified.has('b', user)]).toEqual([true, false])
  })

  it('is known by nothing that tells the password', () => {
    const clock = new ManualClock()
    const one = new VerifiedLogins(clock, new Uint8Array(32).fill(1))
    const other = new VerifiedLogins(clock, new Uint8Array(32).fill(2))
    expect(one.markOf('ann', 'secret')).not.toContain('secret')
    expect(one.markOf('ann', 'secret')).not.toBe(other.markOf('ann', 'secret'))
    expect(one.markOf('ann', 'xy')).not.toBe(one.markOf('annx', 'y'))
  })
})

describe('failed logins', () => {
  it('make who failed wait, twice as long each time, whatever the password', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    for (let index = 0; index < 4; index++)
      expect(await logIn(options, `\0ann\0wrong ${index}`)).toBeUndefined()
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ERR_LOGIN_DELAYED')
    realm.clock.nowMs += 1_000
    expect(await logIn(options, '\0ann\0wrong again')).toBeUndefined()
    realm.clock.nowMs += 1_999
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ERR_LOGIN_DELAYED')
    realm.clock.nowMs += 1
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
    for (let index = 0; index < 3; index++)
      expect(await logIn(options, `\0ann\0wrong ${index}`)).toBeUndefined()
    expect(await logIn(options, '\0ann\0correct horse')).toBe('ann')
  })

  it('count for guesses that come all at once: a right one among many is not let in', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    const guesses = Array.from({ length: 20 }, (_, at) => `guess number ${at}`)
    const all = [...guesses, 'correct horse'].map((guess) => logIn(options, `\0ann\0${guess}`))
    expect((await Promise.all(all)).at(-1)).toBe('ERR_LOGIN_DELAYED')
  })

  it('do not keep the same user out from elsewhere', async () => {
    const realm = await createRealm()
    await realm.addUser('ann', 'correct horse')
    const options = optionsOf(realm)
    for (let index = 0; index < 9; index++) await logIn(options, `\0ann\0wrong ${index}`)
    const elsewhere = contextOf({ remoteAddress: '198.51.100.7:1' })
    expect(await logIn(options, '\0ann\0correct horse', elsewhere)).toBe('ann')
  })

  it('of many users from one address make the address wait', () => {
    const throttle = new LoginThrottle(new ManualClock())
    const address = '192.0.2.1:5000'
    for (let index = 0; index < 20; index++) throttle.failed(`user${index}`, address)
    expect(throttle.refusal('somebody', address)).toBeUndefined()
    throttle.failed('user20', '192.0.2.1:6000')
    expect(throttle.refusal('somebody', address)?.code).toBe('ERR_LOGIN_DELAYED')
    expect(throttle.refusal('somebody', '192.0.2.2:5000')).toBeUndefined()
  })

  it('of nobody in particular count for the address alone', () => {
    const throttle = new LoginThrottle(new ManualClock())
    const address = '192.0.2.1:5000'
    for (let index = 0; index < ADDRESS_FAILURES_FREE_COUNT; index++) throttle.failed('', address)
    expect(throttle.refusal('', address)).toBeUndefined()
    throttle.failed('', address)
    expect(throttle.refusal('', address)?.code).toBe('ERR_LOGIN_DELAYED')
    expect(throttle.refusal('ann', address)?.code).toBe('ERR_LOGIN_DELAYED')
  })

  it('never wait longer than a minute, and are forgotten after a quarter of an hour', () => {
    const clock = new ManualClock()
    const throttle = new LoginThrottle(clock)
    for (let index = 0; index < 500; index++) throttle.failed('ann', '192.0.2.1:1')
    expect(throttle.refusal('ann', '192.0.2.1:1')?.message).toContain('wait 60000 ms')
    clock.nowMs += 15 * 60_000
    throttle.failed('ann', '192.0.2.1:1')
    expect(throttle.refusal('ann', '192.0.2.1:1')).toBeUndefined()
  })

  it('are remembered of at most so many', () => {
    const throttle = new LoginThrottle(new ManualClock(), 2)
    for (let index = 0; index < 5; index++) throttle.failed('ann', '192.0.2.1:1')
    expect(throttle.refusal('ann', '192.0.2.1:1')).toBeDefined()
    throttle.failed('bob', '192.0.2.2:1')
    throttle.failed('cid', '192.0.2.3:1')
    expect(throttle.refusal('ann', '192.0.2.1:1')).toBeUndefined()
  })

  it('count by address without the port, and by the network of IPv6', () => {
    expect(hostOf('192.0.2.1:5000')).toBe('192.0.2.1')
    expect(hostOf('[::ffff:192.0.2.1]:5000')).toBe('192.0.2.1')
    expect(hostOf('[2001:db8:1:2:3:4:5:6]:1')).toBe('2001:db8:1:2')
    expect(hostOf('[2001:db8::6]:1')).toBe('2001:db8:0:0')
    expect(hostOf('[::1]:1')).toBe('0:0:0:0')
  })
})

describe('setting a password', () => {
  it.each([
    ['1234567', 'at least 8 characters'],
    ['1234567\n', 'control character'],
    ['', 'empty'],
    ['a'.repeat(1_025), 'at most 1024 bytes'],
  ])('refuses %j', async (password, reason) => {
    const { passwords } = await createRealm()
    const refusal = await passwords.derive(password).catch((error: Error) => error.message)
    expect(refusal).toContain(reason)
    if (password.length > 20) expect(refusal).not.toContain(password)
  })

  it('takes one at its limits', async () => {
    const { passwords } = await createRealm()
    expect(await codeOf(passwords.derive('12345678'))).toBe('none')
    expect(await codeOf(passwords.derive('a'.repeat(1_024)))).toBe('none')
  })

  it('keeps a hash and two verifiers, none of which holds the password', async () => {
    const { passwords } = await createRealm()
    const [one, two] = [
      await passwords.derive('correct horse'),
      await passwords.derive('correct horse'),
    ]
    expect(Object.keys(one)).toEqual(['scrypt', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    expect(one['scrypt']).toMatch(/^\$scrypt\$ln=4,r=8,p=1\$[^$]{22}\$[^$]{43}$/)
    for (const name of Object.keys(one)) expect(one[name]).not.toBe(two[name])
  })

  it('is not believed when what is stored is not a hash of ours', async () => {
    const { passwords } = await createRealm()
    for (const hash of ['', 'x', '$scrypt$ln=99,r=8,p=1$AAAA$AAAA', '$argon2id$v=19$x$y$z'])
      expect(await passwords.isRight('correct horse', hash)).toBe(false)
  })
})

it('hashes a few at a time and refuses what would wait too long', async () => {
  const queue = new ScryptQueue(1, 2)
  const request = {
    secret: 'x',
    salt: new Uint8Array(16),
    hashBytes: 32,
    log2Cost: 4,
    blockSize: 8,
    parallelism: 1,
  }
  const all = [1, 2, 3, 4].map(() => codeOf(queue.run(request)))
  expect(await Promise.all(all)).toEqual(['none', 'none', 'none', 'ERR_BUSY'])
  expect(await codeOf(queue.run(request))).toBe('none')
})

it('prepares text as the document says', () => {
  expect(prepareText('ﬁ')).toBe('fi')
  expect(prepareText('a\u00a0b\u3000c')).toBe('a b c')
  for (const bad of ['', '\0', 'a\u0007', 'a\u0085', '\ud800', '\ue000', '\ufffe'])
    expect(prepareText(bad)).toBeUndefined()
})
