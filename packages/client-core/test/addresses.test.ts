import { parseUrl, parseUrls } from '../src/address.ts'
import { resolveOptions } from '../src/options.ts'

const urlsOf = (urls: string | readonly string[]): string[] =>
  parseUrls(urls).addresses.map(({ url }) => url)

it.each([
  ['millrace://b', 'millrace://b:7420'],
  ['millraces://b', 'millraces://b:7422'],
  ['millraces://b:7420', 'millraces://b:7420'],
  ['ws://b', 'ws://b:7421/ws'],
  ['ws://b/', 'ws://b:7421/ws'],
  ['ws://b:80', 'ws://b:80/ws'],
  ['ws://b:80/', 'ws://b:80/ws'],
  ['ws://b:8080/deep/path', 'ws://b:8080/deep/path'],
  ['wss://b', 'wss://b:7423/ws'],
  ['wss://b:443/ws', 'wss://b:443/ws'],
  ['wss://[::1]:9', 'wss://[::1]:9/ws'],
])('%s is %s', (text, url) => {
  expect(parseUrl(text).address.url).toBe(url)
})

it('takes several brokers, as texts or between commas', () => {
  const both = ['millrace://a:7420', 'millrace://b:7420']
  expect(urlsOf(['millrace://a', 'millrace://b'])).toEqual(both)
  expect(urlsOf('millrace://a,b')).toEqual(both)
  expect(urlsOf('millrace://a, millrace://b')).toEqual(both)
  expect(urlsOf('millraces://a:1,b:2,ws://c')).toEqual([
    'millraces://a:1',
    'millraces://b:2',
    'ws://c:7421/ws',
  ])
})

it('takes one namespace for all of them', () => {
  expect(parseUrls('millrace://a,b:7421/shop').namespace).toBe('shop')
  expect(parseUrls(['millrace://a/shop', 'millrace://b/shop']).namespace).toBe('shop')
  expect(parseUrls(['ws://a/ws', 'millrace://b/shop']).namespace).toBe('shop')
  expect(parseUrls('millrace://a,b').namespace).toBe('/')
  expect(() => parseUrls('millrace://a/shop,b/bank')).toThrow('different namespaces')
})

it('refuses none, and more than 64', () => {
  const many = Array.from({ length: 64 }, (_, at) => `millrace://b${at}`)
  expect(parseUrls(many).addresses).toHaveLength(64)
  expect(() => parseUrls([...many, 'millrace://b64'])).toThrow('more than 64')
  expect(() => parseUrls([])).toThrow('there is none')
  expect(() => parseUrls('amqp://a')).toThrow("its scheme is 'amqp'")
})

it.each([
  ['delayMsMin', { delayMsMin: 0 }],
  ['delayMsMax', { delayMsMin: 100, delayMsMax: 99 }],
  ['delayMsMax', { delayMsMax: 3_600_001 }],
  ['attemptsMax', { attemptsMax: 0 }],
])('refuses reconnect.%s out of its range', (name, reconnect) => {
  expect(() => resolveOptions({ reconnect }, '/')).toThrow(`'reconnect.${name}'`)
})

it('takes the ends of their ranges', () => {
  const wide = { delayMsMin: 1, delayMsMax: 3_600_000, attemptsMax: 1 }
  expect(resolveOptions({ reconnect: wide }, '/').reconnect).toEqual(wide)
  expect(resolveOptions({ reconnect: { delayMsMin: 60_000 } }, '/').reconnect).toMatchObject({
    delayMsMax: 60_000,
  })
  expect(resolveOptions({}, '/').reconnect).toEqual({
    delayMsMin: 100,
    delayMsMax: 15_000,
    attemptsMax: Infinity,
  })
  expect(resolveOptions({ reconnect: false }, '/').reconnect).toBeUndefined()
})
