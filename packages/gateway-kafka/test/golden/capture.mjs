/**
 * Records what real clients send, one file per client: `node capture.mjs`. See README.md.
 *
 * The gateway is built first (`npx tsc -b packages/gateway-kafka packages/compression`): it answers,
 * so that the clients go on. What is kept is their bytes alone, never ours.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createCompression } from '@millrace/compression'
import { createNodeEnvironment, openBroker } from '@millrace/core'
import { KafkaGateway } from '@millrace/gateway-kafka'

const run = promisify(execFile)
const BODY_BYTES_MAX = 32 * 1024 * 1024
const directory = mkdtempSync(join(tmpdir(), 'kafka-golden-'))
const silent = { info: () => undefined, warn: console.warn, error: console.error }

const environment = { ...createNodeEnvironment({ log: silent }) }
const broker = await openBroker(
  {
    directory,
    autoCreateTopics: true,
    compression: await createCompression(),
    onFatal: (error) => {
      throw error
    },
  },
  environment,
)
const principal = { name: 'anyone', isAnonymous: true }
const mechanisms = ['ANONYMOUS', 'PLAIN']
const services = {
  codecs: [],
  broker,
  environment,
  authorizer: { check: () => true },
  authenticator: {
    mechanisms,
    mechanismsFor: () => mechanisms,
    begin: () => ({ step: async () => ({ kind: 'principal', principal }) }),
  },
  limits: {
    ...{ connectionsMax: 100, handshakeMsMax: 10_000, frameBytesMax: 1 << 20 },
    ...{ bodyBytesMax: BODY_BYTES_MAX, inFlightCountMax: 1_024, inFlightBytesMax: 1 << 26 },
    ...{ outboundBytesMax: 1 << 26, subscriptionsMax: 100 },
  },
}
const gateway = new KafkaGateway({
  namespace: '/',
  advertisedHost: undefined,
  advertisedPort: undefined,
  autoCreateTopics: true,
})

/** Whole requests of the client at hand, without their size. */
let requests = []

const splitter = () => {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      requests.push(rest.subarray(4, end))
      rest = rest.subarray(end)
    }
  }
}

const connectionOf = (socket, id) => ({
  id,
  localAddress: `${socket.localAddress}:${socket.localPort}`,
  remoteAddress: `${socket.remoteAddress}:${socket.remotePort}`,
  isTls: false,
  subprotocol: undefined,
  write: (bytes) => (socket.write(Buffer.from(bytes)), true),
  sendRange: (lease) => {
    for (const part of lease.parts) socket.write(Buffer.from(part))
    lease.release()
    return true
  },
  pause: () => socket.pause(),
  resume: () => socket.resume(),
  end: () => socket.end(),
  destroy: () => socket.destroy(),
})

let connectionCount = 0
const server = createServer((socket) => {
  const session = gateway.accept(connectionOf(socket, ++connectionCount), services)
  const split = splitter()
  socket.on('error', () => undefined)
  socket.on('close', () => session.onClosed())
  socket.on('data', (chunk) => {
    split(chunk)
    session.onData(chunk)
  })
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = `127.0.0.1:${server.address().port}`

/** One of each API, version and length is enough; a client asks for metadata again and again. */
const distinct = () => {
  const seen = new Set()
  return requests.flatMap((request) => {
    const [key, version] = [request.readInt16BE(0), request.readInt16BE(2)]
    const name = `${key}/${version}/${request.length}`
    if (seen.has(name)) return []
    seen.add(name)
    return [{ key, version, hex: request.toString('hex') }]
  })
}

const save = (client, version) => {
  const file = new URL(`${client}.json`, import.meta.url)
  writeFileSync(file, `${JSON.stringify({ client, version, requests: distinct() }, null, 2)}\n`)
  console.log(client, version, distinct().length)
  requests = []
}

/** Not the synchronous form: the broker it talks to lives in this process. */
const kcat = async (args, input = '') => {
  const running = run('kcat', ['-b', address, ...args], { timeout: 20_000 })
  running.child.stdin.end(input)
  await running
}

const captureKcat = async () => {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    await kcat(
      ['-P', '-t', `kcat-${codec}`, '-z', codec, '-k', 'key', '-H', 'name=value'],
      'the same words\n'.repeat(20),
    )
    await kcat(['-C', '-t', `kcat-${codec}`, '-o', 'beginning', '-e', '-q'])
  }
  await kcat(['-Q', '-t', 'kcat-none:0:0'])
  await kcat(['-L'])
  await kcat(
    ['-L', '-X', 'security.protocol=sasl_plaintext', '-X', 'sasl.mechanism=PLAIN'].concat([
      '-X',
      'sasl.username=name',
      '-X',
      'sasl.password=secret',
    ]),
  )
  const [, version] = /librdkafka ([0-9.]+)/.exec(execFileSync('kcat', ['-V']).toString())
  save('kcat', `librdkafka ${version}`)
}

const script = async (file) => {
  const url = new URL(file, import.meta.url).pathname
  const program = file.endsWith('.py') ? '/usr/bin/python3' : process.execPath
  const { stdout } = await run(program, [url, address], { timeout: 60_000 })
  return stdout.trim()
}

const versionOf = (name) =>
  JSON.parse(
    readFileSync(new URL(`../../../../node_modules/${name}/package.json`, import.meta.url)),
  ).version

try {
  await captureKcat()
  save('python', await script('client-python.py'))
  await script('client-kafkajs.mjs')
  save('kafkajs', versionOf('kafkajs'))
  await script('client-platformatic.mjs')
  save('platformatic', versionOf('@platformatic/kafka'))
} finally {
  server.close()
  await gateway.close(1_000)
  await broker.close()
  rmSync(directory, { recursive: true })
}
