import { QUOTA_DEBT_MS_MAX } from '../../src/limits.ts'
import { TokenBucket } from '../../src/quota/token-bucket.ts'

it('gives a second of tokens at once, and lets one more wait', () => {
  expect(new TokenBucket(1_000, 0).take(1_000, 0)).toBe(0)
  expect(new TokenBucket(1_000, 0).take(1_001, 0)).toBe(1)
})

it('says how long the debt takes to pay', () => {
  const bucket = new TokenBucket(1_000, 0)
  expect(bucket.take(3_000, 0)).toBe(2_000)
  expect(bucket.take(0, 500)).toBe(1_500)
  expect(bucket.take(0, 2_000)).toBe(0)
  expect(bucket.take(1, 2_000)).toBe(1)
})

it('fills up to a second of tokens and no further', () => {
  const bucket = new TokenBucket(1_000, 0)
  bucket.take(1_000, 0)
  expect(bucket.isFull(999)).toBe(false)
  expect(bucket.isFull(1_000)).toBe(true)
  expect(bucket.take(1_001, 3_600_000)).toBe(1)
})

it('cuts a debt to half a minute', () => {
  const bucket = new TokenBucket(1_000, 0)
  const longest = (QUOTA_DEBT_MS_MAX / 1_000) * 1_000
  expect(bucket.take(1_000 + longest, 0)).toBe(QUOTA_DEBT_MS_MAX)
  expect(bucket.take(1, 0)).toBe(QUOTA_DEBT_MS_MAX)
})
