/**
 * The native protocol in a real browser, and what the door of `/ws` keeps out. The page knows
 * docs/protocol.md and nothing of our packages; a client of ours on TCP sees the same records.
 */
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, openPage, type Site, startSite } from './support/browser.ts'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { makeAuthority, makeCertificate } from './support/certificates.ts'
import { eventually, within } from './support/eventually.ts'
import { get } from './support/http.ts'
import { createScratch } from './support/scratch.ts'

/** What `browser/client.js` puts into the page, as far as it is used here. */
interface PageClient {
  readonly closed: Promise<{ code: number; reason: string }>
  readonly seen: { readonly messages: number; readonly framesMax: number }
  readonly webSocket: {
    readonly protocol: string
    readonly extensions: string
    send(text: string): void
  }
  createTopic(topic: string): Promise<unknown>
  openTopic(topic: string): Promise<number>
  produce(
    handle: number,
    records: readonly { key?: string; value: string | null }[],
  ): Promise<number>
  fetch(handle: number, offset: number, maxBytes: number): Promise<PageRecord[]>
  subscribe(topic: string, count: number): Promise<PageRecord[]>
  close(): Promise<{ code: number; reason: string }>
}

interface PageRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

declare global {
  // `var` is the only way to name a global, here of the page.
  var document: { title: string }
  var Client: { open(url: string, changes?: object): Promise<PageClient> }
}

const scratch = createScratch('websocket')
const own: Site[] = []
let browser: Browser
let site: Site
let stranger: Site
let broker: LaunchedBroker

const launch = (
  env: NodeJS.ProcessEnv = {},
  args: readonly string[] = [],
): Promise<LaunchedBroker> =>
  launchBroker({
    dataDir: scratch.next('data'),
    args: [
      '--native-tls-port',
      '0',
      '--http-tls-port',
      '0',
      '--kafka-tls-port',
      '0',
      '--amqp-tls-port',
      '0',
      ...args,
    ],
    env: { MILLRACE_WEBSOCKET__ORIGINS: site.origin, ...env },
  })

beforeAll(async () => {
  site = await startSite()
  stranger = await startSite()
  own.push(site, stranger)
  makeAuthority(scratch.path)
  makeCertificate(scratch.path, 'broker')
  browser = await launchBrowser()
  const tls = ['--tls-cert-file', join(scratch.path, 'broker.crt')]
  broker = await launch({}, [...tls, '--tls-key-file', join(scratch.path, 'broker.key')])
})

afterAll(async () => {
  await browser.close()
  await broker.stop()
  for (const { close } of own) close()
  scratch.remove()
})

const urlOf = ({ ports }: LaunchedBroker, scheme = 'ws'): string =>
  `${scheme}://127.0.0.1:${scheme === 'ws' ? ports['http'] : ports['https']}/ws`

describe('a page', () => {
  let page: Page
  let errors: Error[]

  beforeEach(async () => {
    ;({ page, errors } = await openPage(browser, site))
  })

  afterEach(async () => {
    await page.context().close()
    expect(errors).toEqual([])
  })

  test.each(['ws', 'wss'])('produces, fetches, subscribes and says goodbye: %s', async (scheme) => {
    const seen = await page.evaluate(
      async ({ url, topic }) => {
        const client = await globalThis.Client.open(url)
        await client.createTopic(topic)
        const handle = await client.openTopic(topic)
        const subscribed = client.subscribe(topic, 4)
        const records = [{ key: 'k', value: 'grüße' }, { value: null }, { value: '' }]
        const base = await client.produce(handle, records)
        const next = await client.produce(handle, [{ value: 'last' }])
        const fetched = await client.fetch(handle, 1, 1 << 20)
        const { protocol, extensions } = client.webSocket
        return {
          base,
          next,
          fetched,
          subscribed: await subscribed,
          protocol,
          extensions,
          closing: await client.close(),
        }
      },
      { url: urlOf(broker, scheme), topic: `page-${scheme}` },
    )
    const stored = [
      { offset: 0, key: 'k', value: 'grüße' },
      { offset: 1, key: null, value: null },
      { offset: 2, key: null, value: '' },
      { offset: 3, key: null, value: 'last' },
    ]
    expect(seen).toEqual({
      ...{ base: 0, next: 3, protocol: 'millrace.v1', extensions: '' },
      ...{ fetched: stored, subscribed: stored, closing: { code: 1000, reason: '' } },
    })
  })

  test('shares records with a client on TCP, large ones too', async () => {
    const client = await connect(broker.url)
    const large = 'x'.repeat(1_500_000)
    const read = page.evaluate(
      async ({ url, value }) => {
        const pageClient = await globalThis.Client.open(url)
        await pageClient.createTopic('shared')
        const handle = await pageClient.openTopic('shared')
        await pageClient.produce(handle, [{ value }])
        const records = await pageClient.subscribe('shared', 2)
        await pageClient.close()
        return records.map((record) => record.value)
      },
      { url: urlOf(broker), value: large },
    )
    await eventually('the topic is there', async () => {
      const topics = await client.admin.listTopics()
      return topics.some(({ topic }) => topic === 'shared')
    })
    const reading = { from: 'start', codec: 'string' } as const
    for await (const { payload } of client.consume<string>('shared', reading)) {
      expect(payload).toBe(large)
      break
    }
    await client.producer<string>('shared', { codec: 'string' }).send(large.toUpperCase())
    const values = await within('the page has both', 20_000, read)
    expect(values.map((value) => [value?.length, value?.[0]])).toEqual([
      [large.length, 'x'],
      [large.length, 'X'],
    ])
    await client.close()
  })

  test('gets many answers in one message, always whole frames', async () => {
    const seen = await page.evaluate(async (url) => {
      const client = await globalThis.Client.open(url)
      await client.createTopic('many')
      const handle = await client.openTopic('many')
      const sent = Array.from({ length: 500 }, (_, index) =>
        client.produce(handle, [{ value: `${index}` }]),
      )
      const offsets = await Promise.all(sent)
      await client.close()
      return { offsets, ...client.seen }
    }, urlOf(broker))
    expect(seen.offsets).toEqual(Array.from({ length: 500 }, (_, index) => index))
    expect(seen.messages).toBeLessThan(500)
    expect(seen.framesMax).toBeGreaterThan(1)
  })

  test('is told by its close code what it did', async () => {
    const [text, early] = await page.evaluate(async (url) => {
      const client = await globalThis.Client.open(url)
      client.webSocket.send('text')
      const refused = await globalThis.Client.open(url, { versions: [99] }).catch(
        (error: Error) => error.message,
      )
      return [await client.closed, refused] as const
    }, urlOf(broker))
    expect(text).toEqual({ code: 1003, reason: 'messages are binary' })
    expect(early).toMatch(/version/)
  })

  test('of another origin is kept out, and the log names it', async () => {
    const other = await openPage(browser, stranger)
    const tryIt = (url: string): Promise<string> =>
      other.page.evaluate(
        (address) =>
          globalThis.Client.open(address).then(
            () => 'open',
            (error: Error) => error.message,
          ),
        url,
      )
    expect(await tryIt(urlOf(broker))).toBe('closed with 1006')
    expect(await tryIt(urlOf(broker, 'wss'))).toBe('closed with 1006')
    expect(broker.stdout()).toContain(`"origin":"${stranger.origin}"`)
    await other.page.context().close()
  })

  test('is told that the broker stops', async () => {
    const other = await launch()
    const closing = page.evaluate(async (url) => {
      const client = await globalThis.Client.open(url)
      document.title = 'open'
      return client.closed
    }, urlOf(other))
    await page.waitForFunction(() => document.title === 'open')
    const ending = await other.stop()
    expect(await closing).toEqual({ code: 1001, reason: 'ERR_GOING_AWAY' })
    expect(ending.code).toBe(0)
  })

  test('sees a broker that dies, and its records when it is back', async () => {
    const dataDir = scratch.next('data')
    const env = { MILLRACE_WEBSOCKET__ORIGINS: site.origin }
    const first = await launchBroker({ dataDir, env })
    const closing = page.evaluate(async (url) => {
      const client = await globalThis.Client.open(url)
      await client.createTopic('kept')
      await client.produce(await client.openTopic('kept'), [{ value: 'acknowledged' }])
      document.title = 'stored'
      return client.closed
    }, urlOf(first))
    await page.waitForFunction(() => document.title === 'stored')
    await first.kill()
    expect(await closing).toEqual({ code: 1006, reason: '' })
    const second = await launchBroker({ dataDir, env })
    const records = await page.evaluate(async (url) => {
      const client = await globalThis.Client.open(url)
      return client.subscribe('kept', 1)
    }, urlOf(second))
    expect(records).toEqual([{ offset: 0, key: null, value: 'acknowledged' }])
    await second.stop()
  })
})

const headers: Readonly<Record<string, string>> = {
  host: 'localhost',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'millrace.v1',
}

const upgradeText = (changes: Readonly<Record<string, string | undefined>> = {}): string => {
  const fields = Object.entries({ ...headers, ...changes }).filter(
    ([, value]) => value !== undefined,
  )
  return `GET /ws HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** Bytes to a port; what came back when the broker hung up, or when `until` was in it. */
const exchange = async (
  port: number,
  bytes: string | Uint8Array,
  until?: string,
): Promise<string> => {
  const socket = connectSocket(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(bytes)
  const isDone = (): boolean => until !== undefined && answer.includes(until)
  while (!isDone() && !socket.destroyed)
    await Promise.race([closed, once(socket, 'data').catch(() => undefined)])
  socket.destroy()
  return answer
}

describe('the door', () => {
  test.each([
    ['all is well', {}, '101 Switching Protocols'],
    ['no origin is named, as curl does', { origin: undefined }, '101 Switching Protocols'],
    [
      'the own page asks',
      { host: '127.0.0.1:1', origin: 'http://127.0.0.1:1' },
      '101 Switching Protocols',
    ],
    ['another page asks', { origin: 'https://evil.example' }, '403 Forbidden'],
    ['a file asks', { origin: 'null' }, '403 Forbidden'],
    ['the origin only ends well', { origin: 'http://evil.example:80@localhost' }, '403 Forbidden'],
    ['the host was rebound', { host: 'evil.example' }, '421 Misdirected Request'],
    [
      'host and origin agree on a stranger',
      { host: 'evil.example', origin: 'http://evil.example' },
      '421 Misdirected Request',
    ],
    [
      'the host holds a path',
      { host: 'localhost/evil.example' },
      '400 Bad Request|421 Misdirected Request',
    ],
    ['there is no host', { host: undefined }, '421 Misdirected Request'],
    ['the subprotocol is missing', { 'sec-websocket-protocol': undefined }, '400 Bad Request'],
    ['the key is missing', { 'sec-websocket-key': undefined }, '400 Bad Request'],
    ['the version is old', { 'sec-websocket-version': '8' }, '426 Upgrade Required'],
    ['there is a body', { 'content-length': '3' }, '400 Bad Request'],
    [
      'a length and chunks are named',
      { 'content-length': '3', 'transfer-encoding': 'chunked' },
      '400 Bad Request',
    ],
    [
      'the headers are huge',
      { 'x-long': 'y'.repeat(9_000) },
      '431 Request Header Fields Too Large',
    ],
  ])('answers when %s', async (_what, changes, status) => {
    const answer = await exchange(broker.httpPort, upgradeText(changes), '\r\n\r\n')
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 (${status})\r\n`))
  })

  test('takes no second request out of the first one', async () => {
    const inner = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const outer = `POST /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${inner.length}\r\n`
    for (const extra of ['', 'transfer-encoding: chunked\r\n', 'transfer-encoding: xchunked\r\n']) {
      const answer = await exchange(broker.httpPort, `${outer}${extra}\r\n${inner}`)
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(answer).not.toMatch(/HTTP\/1\.1 200/)
    }
  })

  test('says in HTTP where HTTP is, on the native port', async () => {
    const answer = await exchange(broker.nativePort, 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*native port/)
  })
})

test('a peer that drips is cut off at the handshake deadline, on every listener', async () => {
  const tls = ['--tls-cert-file', join(scratch.path, 'broker.crt')]
  const slow = await launch({ MILLRACE_LIMITS__HANDSHAKE_TIME: '600ms' }, [
    ...tls,
    ...['--tls-key-file', join(scratch.path, 'broker.key')],
  ])
  const { native, http, nativeTls, https, kafkaTls } = slow.ports as Record<string, number>
  const hello = Buffer.from('1603010200010001fc0303', 'hex')
  const dripping: readonly (readonly [number, Uint8Array])[] = [
    [native as number, Buffer.from('0000002a0100', 'hex')],
    [http as number, Buffer.from('GET /livez HTTP/1.1\r\nhost: localhost\r\nx: y')],
    [http as number, Buffer.from(upgradeText().slice(0, -2))],
    [http as number, Buffer.from(upgradeText())],
    [nativeTls as number, hello],
    [https as number, hello],
    [kafkaTls as number, hello],
  ]
  const heldMs = await Promise.all(
    dripping.map(async ([port, bytes]) => {
      const socket = connectSocket(port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      const startedMs = performance.now()
      let at = 0
      const timer = setInterval(
        () => socket.write(bytes.subarray(at % bytes.length, (at++ % bytes.length) + 1)),
        100,
      )
      // One that was let in does not drip: it says nothing at all.
      if (bytes.length > 150) {
        clearInterval(timer)
        socket.write(bytes)
      }
      socket.resume()
      await within(
        'the broker hangs up',
        10_000,
        new Promise<void>((resolve) => socket.once('close', () => resolve())),
      )
      clearInterval(timer)
      return performance.now() - startedMs
    }),
  )
  for (const ms of heldMs) {
    expect(ms).toBeGreaterThan(550)
    expect(ms).toBeLessThan(5_000)
  }
  expect((await get(slow.httpPort, '/readyz')).status).toBe(200)
  await slow.stop()
})
