/** docs/identity.md says what the code does, where numbers and names can be compared. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { actions, resourceKinds } from '@millrace/core'
import * as limits from '../../src/auth/limits.ts'

const text = readFileSync(join(__dirname, '../../../../docs/identity.md'), 'utf8')
const grouped = (value: number): string => value.toLocaleString('en-US')

it.each([
  `have ${limits.PASSWORD_CHARACTERS_MIN} characters to ${grouped(limits.PASSWORD_BYTES_MAX)} bytes`,
  `N = 2^${limits.SCRYPT_LOG2_COST}, r = 8, p = 1`,
  `at least ${grouped(limits.SCRAM_ITERATIONS_COUNT_MIN)})`,
  `at most ${grouped(limits.VERIFIED_LOGINS_COUNT_MAX)} of them`,
  `and ${limits.SCRYPT_WAITING_COUNT_MAX} wait`,
  `After ${limits.USER_FAILURES_FREE_COUNT} failures of a user`,
  `or ${limits.ADDRESS_FAILURES_FREE_COUNT} of an address`,
  `a wait of ${limits.LOGIN_DELAY_MS_MIN / 1_000} second up to ${limits.LOGIN_DELAY_MS_MAX / 1_000}`,
  `${limits.FAILURES_FORGOTTEN_MS / 60_000} minutes without a failure`,
  `a secret of at least ${limits.TOKEN_SECRET_BYTES_MIN} bytes`,
  `within ${limits.KEY_SET_FETCH_MS_MAX / 1_000} seconds and 1 MiB`,
  `kept for ${limits.KEY_SET_KEPT_MS / 60_000} minutes`,
  `at most every ${limits.KEY_SET_COOLDOWN_MS / 1_000} seconds`,
  `differ by ${limits.TOKEN_CLOCK_SKEW_S} seconds`,
  `At most ${limits.TOKEN_SCOPES_COUNT_MAX}.`,
  'At most 255 bytes and 8 stars',
  'A user may have 1,000 permissions, a broker 10,000 users',
])('says “%s”', (statement) => {
  expect(text).toContain(statement)
})

it('names every action and every kind of resource', () => {
  for (const action of actions) expect(text).toContain(`| \`${action}\``)
  for (const kind of resourceKinds) expect(text).toContain(`\`${kind}\``)
})
