import { parseUrl } from '../src/address.ts'

describe('a URL', () => {
  it.each([
    ['millrace://127.0.0.1:7420', '127.0.0.1', 7420, '/'],
    ['millrace://broker', 'broker', 7420, '/'],
    ['millrace://broker/', 'broker', 7420, '/'],
    ['millrace://broker:1/sales', 'broker', 1, 'sales'],
    ['millrace://broker/a%2Fb', 'broker', 7420, 'a/b'],
    ['millrace://[::1]:65535', '::1', 65535, '/'],
    ['millrace://', '127.0.0.1', 7420, '/'],
  ])('%s', (text, host, port, namespace) => {
    expect(parseUrl(text)).toMatchObject({ address: { host, port }, namespace })
  })

  it('keeps the brackets of an IPv6 address where a person reads it', () => {
    expect(parseUrl('millrace://[::1]').address.url).toBe('millrace://[::1]:7420')
  })

  it.each([
    ['127.0.0.1:7420', /millrace:\/\/host/],
    ['', /cannot be read/],
    ['amqp://broker', /its scheme is 'amqp'/],
    ['millrace://broker:0', /port 0/],
    ['millrace://broker:65536', /cannot be read/],
    ['millrace://broker/%zz', /percent escape/],
    ['millrace://broker?a=b', /query/],
    ['millrace://broker#a', /fragment/],
  ])('%s is refused', (text, reason) => {
    expect(() => parseUrl(text)).toThrow(reason)
    expect(() => parseUrl(text)).toThrow("argument 'url'")
  })

  it('with a password is refused without repeating it', () => {
    expect(() => parseUrl('millrace://user:secret@broker')).toThrow(
      /give connect\(\) the option auth/,
    )
    expect(() => parseUrl('millrace://user:secret@broker')).not.toThrow(/secret/)
  })
})
