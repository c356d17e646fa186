import { createHostRules, createOriginRules, hostNameOf } from '../../src/http/host-rules.ts'

it.each([
  ['example.org', 'example.org'],
  ['Example.org.:80', 'example.org'],
  ['[::1]:7421', '::1'],
  ['127.0.0.1', '127.0.0.1'],
  ['', undefined],
  ['a b', undefined],
  ['user@example.org', undefined],
  ['example.org/x', undefined],
  ['example.org:port', undefined],
  ['::1', undefined],
])('takes the name of %j for %j', (host, name) => {
  expect(hostNameOf(host)).toBe(name)
})

describe('hosts', () => {
  const isServed = (bound: string, configured: string, host: string | undefined): boolean =>
    createHostRules(bound, configured).refuse(host) === undefined

  it('answers only for this machine when bound to it', () => {
    expect(isServed('127.0.0.1', '', 'localhost:7421')).toBe(true)
    expect(isServed('127.0.0.1', '', '127.0.0.1')).toBe(true)
    expect(isServed('127.0.0.1', '', '[::1]:7421')).toBe(true)
    expect(isServed('127.0.0.1', '', 'evil.example')).toBe(false)
    expect(isServed('127.0.0.1', '', '127.0.0.1.evil.example')).toBe(false)
    expect(isServed('127.0.0.1', '', 'localhost.evil.example')).toBe(false)
    expect(isServed('127.0.0.1', '', 'localhost@evil.example')).toBe(false)
    expect(isServed('127.0.0.1', '', undefined)).toBe(false)
  })

  it('answers for any name elsewhere, until names are configured', () => {
    expect(isServed('0.0.0.0', '', 'broker.example')).toBe(true)
    expect(isServed('0.0.0.0', 'Broker.example, [fd00::1]', 'broker.example:7421')).toBe(true)
    expect(isServed('0.0.0.0', 'broker.example, [fd00::1]', '[fd00::1]:7421')).toBe(true)
    expect(isServed('0.0.0.0', 'broker.example', 'other.example')).toBe(false)
    expect(isServed('0.0.0.0', 'broker.example', 'localhost')).toBe(true)
  })

  it('says where to allow it', () => {
    const answer = createHostRules('127.0.0.1', '').refuse('evil.example')
    expect(answer).toMatchObject({ status: 421, body: expect.stringContaining('http.hosts') })
    expect(answer?.body).not.toContain('evil')
  })
})

describe('origins', () => {
  const host = '127.0.0.1:7421'

  it.each([
    ['', undefined, true],
    ['', 'http://127.0.0.1:7421', true],
    ['', 'https://127.0.0.1:7421', true],
    ['', 'http://127.0.0.1:8080', false],
    ['', 'http://localhost:7421', false],
    ['', 'http://evil.example', false],
    ['', 'http://127.0.0.1:7421.evil.example', false],
    ['', 'http://evil.example/127.0.0.1:7421', false],
    ['', 'null', false],
    ['', '', false],
    ['', 'file://', false],
    ['https://app.example', 'https://app.example', true],
    ['https://app.example', 'HTTPS://App.Example', true],
    ['https://app.example', 'http://app.example', false],
    ['https://app.example', 'https://app.example:444', false],
    ['https://app.example', 'https://sub.app.example', false],
    ['https://app.example', 'https://app.example.evil.example', false],
    ['https://a.example, http://b.example:8080', 'http://b.example:8080', true],
    ['*', 'http://evil.example', true],
    ['*', 'null', true],
  ])('with %j takes a page of %j: %j', (configured, origin, isAllowed) => {
    expect(createOriginRules(configured).allows(origin, host)).toBe(isAllowed)
  })

  it('drops the port that a scheme has anyway', () => {
    expect(createOriginRules('').allows('http://a.example', 'a.example:80')).toBe(true)
    expect(createOriginRules('').allows('https://a.example', 'a.example:80')).toBe(false)
  })

  it.each(['app.example', 'https://app.example/', 'https://app.example/x', 'https://*.example'])(
    'refuses the setting %j, which no page could match',
    (entry) => {
      expect(() => createOriginRules(`https://fine.example,${entry}`)).toThrow(/websocket\.origins/)
    },
  )
})
