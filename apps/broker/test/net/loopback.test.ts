import { isLoopbackHost, isLoopbackPeer } from '../../src/net/loopback.ts'

it.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost'])('takes %s for loopback', (host) => {
  expect(isLoopbackHost(host)).toBe(true)
})

it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'example.org', '', '127.0.0.1.example.org'])(
  'does not take %p for loopback',
  (host) => {
    expect(isLoopbackHost(host)).toBe(false)
  },
)

it('reads the address of a peer in all its forms', () => {
  expect(isLoopbackPeer('127.0.0.1:5000')).toBe(true)
  expect(isLoopbackPeer('[::1]:5000')).toBe(true)
  expect(isLoopbackPeer('[::ffff:127.0.0.1]:5000')).toBe(true)
  expect(isLoopbackPeer('10.0.0.1:5000')).toBe(false)
  expect(isLoopbackPeer('unknown')).toBe(false)
})
