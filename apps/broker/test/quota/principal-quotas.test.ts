import type { Principal } from '@millrace/core'
import { QUOTA_LEDGERS_SWEPT_AT } from '../../src/limits.ts'
import { PrincipalQuotaBook } from '../../src/quota/principal-quotas.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

const none = { bytesInPerSecond: 0, bytesOutPerSecond: 0, connections: 0, topics: 0 }
let environment: ManualEnvironment

beforeEach(() => {
  environment = new ManualEnvironment()
})

const bookOf = (changes: Partial<typeof none>): PrincipalQuotaBook =>
  new PrincipalQuotaBook({ ...none, ...changes }, environment.clock)

const named = (name: string, quotas?: Principal['quotas']): Principal =>
  quotas === undefined ? { name, isAnonymous: false } : { name, isAnonymous: false, quotas }

it('limits nothing by itself', () => {
  const use = bookOf({}).open(named('anna'))
  expect([use.takeIn(1e12), use.takeOut(1e12)]).toEqual([0, 0])
})

it('lets in as many connections of a principal as it may have, and not one more', () => {
  const book = bookOf({ connections: 2 })
  const first = book.open(named('anna'))
  book.open(named('anna'))
  expect(() => book.open(named('anna'))).toThrow("the quota of 2 connections of 'anna' is used up")
  book.open(named('bert'))
  first.release()
  first.release()
  book.open(named('anna'))
  expect(() => book.open(named('anna'))).toThrow(/used up/)
})

it('shares the bytes of a principal among its connections, and with nobody else', () => {
  const book = bookOf({ bytesInPerSecond: 1_000, bytesOutPerSecond: 500 })
  const [one, other] = [book.open(named('anna')), book.open(named('anna'))]
  expect(one.takeIn(1_000)).toBe(0)
  expect(other.takeIn(1)).toBe(1)
  expect(book.open(named('bert')).takeIn(1_000)).toBe(0)
  expect(one.takeOut(500)).toBe(0)
  expect(other.takeOut(250)).toBe(500)
  expect([book.in.count, book.out.count, book.out.totalMs]).toEqual([1, 1, 500])
})

it('goes by what a principal has of its own, where it has something', () => {
  const book = bookOf({ bytesInPerSecond: 1_000, connections: 1 })
  const mine = named('anna', { bytesInPerSecond: 2_000 })
  const use = book.open(mine)
  expect(use.takeIn(2_000)).toBe(0)
  expect(() => book.open(mine)).toThrow(/1 connections/)
  expect(book.open(named('free', { bytesInPerSecond: 0 })).takeIn(1e9)).toBe(0)
})

it('keeps older connections to quotas that were changed', () => {
  const book = bookOf({})
  const older = book.open(named('anna'))
  book.open(named('anna', { bytesInPerSecond: 1_000, connections: 2 }))
  expect(older.takeIn(2_000)).toBe(1_000)
  expect(() => book.open(named('anna', { connections: 2 }))).toThrow(/2 connections/)
})

it('remembers what a principal owes when it comes back', () => {
  const book = bookOf({ bytesInPerSecond: 1_000 })
  const use = book.open(named('anna'))
  use.takeIn(3_000)
  use.release()
  expect(book.open(named('anna')).takeIn(0)).toBe(2_000)
})

it('forgets principals that are gone and owe nothing, and only those', () => {
  const book = bookOf({ bytesInPerSecond: 1_000 })
  const staying = book.open(named('staying'))
  const owing = book.open(named('owing'))
  for (let index = 2; index < QUOTA_LEDGERS_SWEPT_AT; index++)
    book.open(named(`passing-${index}`)).release()
  owing.takeIn(5_000)
  owing.release()
  expect(book.ledgerCount).toBe(QUOTA_LEDGERS_SWEPT_AT)
  book.open(named('one-more'))
  expect(book.ledgerCount).toBe(3)
  expect(book.open(named('owing')).takeIn(0)).toBe(4_000)
  expect(staying.takeIn(1_001)).toBe(1)
})

it('takes any name, those of object properties among them', () => {
  const book = bookOf({ connections: 1 })
  for (const name of ['__proto__', 'constructor', '4294967294']) book.open(named(name))
  expect(() => book.open(named('__proto__'))).toThrow(/used up/)
})
