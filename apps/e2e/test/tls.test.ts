/**
 * TLS as operators use it: what docs/operations.md tells them to type, `openssl s_client` and `curl`
 * against every port, certificates that change while connections live, and peers that speak TLS where
 * it is plain, or plainly where it is TLS.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type LaunchedBroker, launchBroker, launchToItsEnd } from './support/broker.ts'
import { makeAuthority, makeCertificate } from './support/certificates.ts'
import { codeBlocksOf, matchesExpectation, runnableBlocksOf } from './support/code-blocks.ts'
import { eventually, within } from './support/eventually.ts'
import { get } from './support/http.ts'
import { unpack } from './support/message-pack.ts'
import { ANSWER, connectBody, frame, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch } from './support/scratch.ts'
import { repositoryRoot, runShell, type ShellResult } from './support/shell.ts'

const scratch = createScratch('tls')
const brokers: LaunchedBroker[] = []

const file = (name: string): string => join(scratch.path, name)
const shell = (script: string): Promise<ShellResult> =>
  runShell(`cd ${scratch.path}\n${script}`, {})

const launch = async (
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<LaunchedBroker> => {
  const tlsPorts = [
    '--native-tls-port',
    '0',
    '--http-tls-port',
    '0',
    '--kafka-tls-port',
    '0',
    '--amqp-tls-port',
    '0',
  ]
  const certificate = ['--tls-cert-file', file('live.crt'), '--tls-key-file', file('live.key')]
  const dataDir = scratch.next('data')
  const broker = await launchBroker({ dataDir, args: [...tlsPorts, ...certificate, ...args], env })
  brokers.push(broker)
  return broker
}

const port = ({ ports }: LaunchedBroker, name: string): number => ports[name] as number

const useCertificate = (name: string): void => {
  copyFileSync(file(`${name}.key`), file('live.key'))
  copyFileSync(file(`${name}.crt`), file('live.crt'))
}

beforeAll(() => {
  makeAuthority(scratch.path)
  makeAuthority(scratch.path, 'other')
  for (const name of ['first', 'second', 'alice']) makeCertificate(scratch.path, name)
  makeCertificate(scratch.path, 'mallory', 'other')
  useCertificate('first')
})

afterAll(async () => {
  for (const broker of brokers) await broker.stop()
  scratch.remove()
})

/** The subject that a port shows, to openssl as it comes from Debian. */
const subjectOf = async (at: number): Promise<string> => {
  const look = `openssl s_client -connect 127.0.0.1:${at} -CAfile ca.crt < /dev/null 2> /dev/null`
  const { stdout } = await shell(`(${look} || true) | openssl x509 -noout -subject`)
  return stdout.trim().replace('subject=CN = ', '')
}

const open = async (at: number): Promise<{ peer: RawPeer; socket: TLSSocket }> => {
  const ca = await readFile(file('ca.crt'))
  const socket = connectTls({ port: at, host: '127.0.0.1', servername: 'localhost', ca })
  await once(socket, 'secureConnect')
  const peer = new RawPeer(socket)
  const answer = await peer.request(Op.CONNECT, connectBody({ heartbeatMs: 0 }))
  expect(answer.op).toBe(Op.CONNECT | ANSWER)
  return { peer, socket }
}

test('docs/operations.md: what it says about TLS runs as written', async () => {
  const document = await readFile(join(repositoryRoot, 'docs', 'operations.md'), 'utf8')
  const section = document.slice(document.indexOf('\n## TLS\n'), document.indexOf('\n## Browsers'))
  const blocks = runnableBlocksOf(codeBlocksOf(section))
  expect(blocks.length).toBeGreaterThan(3)
  const directory = scratch.next('docs')
  const [make, ...others] = blocks
  await runShell(`mkdir -p ${directory}; cd ${directory}\n${make?.code}`, {})
  const names = [
    '--tls-cert-file',
    join(directory, 'broker.crt'),
    '--tls-key-file',
    join(directory, 'broker.key'),
  ]
  const broker = await launch(names, {
    MILLRACE_TLS__CLIENT_CA_FILE: join(directory, 'ca.crt'),
    MILLRACE_TLS__CLIENT_AUTH: 'optional',
  })
  for (const { code, expected } of others) {
    const moved = code
      .replaceAll('localhost:7423', `localhost:${port(broker, 'https')}`)
      .replaceAll('localhost:7422', `localhost:${port(broker, 'nativeTls')}`)
    const { code: exit, stdout, stderr } = await runShell(`cd ${directory}\n${moved}`, {})
    expect([moved, exit, stderr.includes('error')]).toEqual([moved, 0, false])
    expect([moved, stdout, expected === undefined || matchesExpectation(stdout, expected)]).toEqual(
      [moved, stdout, true],
    )
  }
})

describe('a broker with a certificate', () => {
  let broker: LaunchedBroker

  beforeAll(async () => {
    broker = await launch()
  })

  test('speaks the native protocol through openssl', async () => {
    const child = spawn('openssl', [
      ...['s_client', '-quiet', '-verify_quiet', '-verify_return_error', '-CAfile', file('ca.crt')],
      ...['-connect', `127.0.0.1:${port(broker, 'nativeTls')}`],
    ])
    child.stdin.write(frame(Op.CONNECT, connectBody(), { correlation: 1 }))
    const [answer] = (await within('an answer', 10_000, once(child.stdout, 'data'))) as [Buffer]
    expect(answer[4]).toBe(Op.CONNECT | ANSWER)
    expect(unpack(answer.subarray(12, 4 + answer.readUInt32BE(0)))).toMatchObject({ version: 1 })
    child.kill()
  })

  test('answers health and opens WebSockets to curl', async () => {
    const url = `https://localhost:${port(broker, 'https')}`
    const health = await shell(`curl --silent --cacert ca.crt ${url}/readyz`)
    expect(health.stdout).toBe('{"status":"ready"}\n')
    const untrusted = await shell(`curl --silent ${url}/readyz; true`)
    expect(untrusted.stdout).toBe('')
    const upgrade = await shell(
      `curl --silent --include --http1.1 --max-time 2 --cacert ca.crt ${url}/ws -H 'Connection: Upgrade' ` +
        `-H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' ` +
        `-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H 'Sec-WebSocket-Protocol: millrace.v1' || true`,
    )
    expect(upgrade.stdout).toMatch(/^HTTP\/1\.1 101 [^]*Sec-WebSocket-Protocol: millrace\.v1/i)
  })

  test('speaks 1.2 and 1.3 and nothing older, and resumes sessions', async () => {
    const at = `-connect 127.0.0.1:${port(broker, 'nativeTls')} -CAfile ca.crt`
    const tryIt = (version: string): Promise<ShellResult> =>
      shell(`openssl s_client ${at} ${version} -cipher DEFAULT@SECLEVEL=0 < /dev/null 2>&1 || true`)
    expect((await tryIt('-tls1_2')).stdout).toMatch(/Protocol\s*: TLSv1\.2/)
    expect((await tryIt('-tls1_3')).stdout).toMatch(/TLSv1\.3, Cipher is/)
    expect((await tryIt('-tls1_1')).stdout).toMatch(/alert protocol version|no protocols available/)
    const session = await shell(
      `openssl s_client ${at} -tls1_2 -sess_out session.pem < /dev/null > /dev/null 2>&1
       openssl s_client ${at} -tls1_2 -sess_in session.pem < /dev/null 2> /dev/null`,
    )
    expect(session.stdout).toMatch(/^Reused, TLSv1\.2/m)
  })

  test('shrugs at a flood of key updates and at attempts to renegotiate', async () => {
    const at = `-connect 127.0.0.1:${port(broker, 'nativeTls')} -CAfile ca.crt`
    const flood = await shell(
      `yes K | head -n 2000 | timeout 10 openssl s_client ${at} -tls1_3 2>&1 || true`,
    )
    expect(flood.stdout).toMatch(/KEYUPDATE/)
    await shell(
      `(echo R; sleep 0.3) | timeout 10 openssl s_client ${at} -tls1_2 > /dev/null 2>&1 || true`,
    )
    const { peer } = await open(port(broker, 'nativeTls'))
    await peer.succeed(Op.TOPIC_LIST, {})
    peer.destroy()
    expect((await get(broker.httpPort, '/readyz')).status).toBe(200)
  })

  test('says in plain words that a port speaks TLS', async () => {
    const peer = await RawPeer.open(port(broker, 'nativeTls'))
    peer.sendRequest(Op.CONNECT, connectBody())
    expect((await peer.lastWords())?.message).toMatch(/this port speaks TLS/)
    const http = await shell(`curl --silent http://127.0.0.1:${port(broker, 'https')}/readyz`)
    expect(http.stdout).toMatch(/this port speaks TLS/)
    const kafka = await RawPeer.open(port(broker, 'kafkaTls'))
    kafka.send(Buffer.from('00000017001200000000000100046b636174', 'hex'))
    await within('it hangs up', 5_000, kafka.closed)
    expect(broker.stdout().match(/"tls\.plain-bytes"/g)).toHaveLength(3)
  })

  test('tells a TLS client of a plain port that it is plain, and says so in the log', async () => {
    for (const at of [broker.nativePort, broker.httpPort]) {
      const { stdout } = await shell(
        `openssl s_client -connect 127.0.0.1:${at} < /dev/null 2>&1 || true`,
      )
      expect(stdout).toMatch(/wrong version number/)
    }
    expect(broker.stdout()).toMatch(/the peer speaks TLS here, and this connection is plain/)
    expect(broker.stdout()).toMatch(/https is on http\.tlsPort/)
  })

  test('goes on with old connections when the certificate changes, by file and by signal', async () => {
    const old = await open(port(broker, 'nativeTls'))
    const before = old.socket.getPeerCertificate().fingerprint256
    for (const at of ['nativeTls', 'https', 'kafkaTls'])
      expect(await subjectOf(port(broker, at))).toBe('first')
    useCertificate('second')
    await eventually(
      'the files are noticed',
      async () => (await subjectOf(port(broker, 'nativeTls'))) === 'second',
    )
    expect(await subjectOf(port(broker, 'https'))).toBe('second')
    expect(await subjectOf(port(broker, 'kafkaTls'))).toBe('second')
    await old.peer.succeed(Op.TOPIC_LIST, {})
    expect(old.socket.getPeerCertificate().fingerprint256).toBe(before)
    useCertificate('first')
    process.kill(broker.pid, 'SIGHUP')
    await eventually(
      'the signal is heard',
      async () => (await subjectOf(port(broker, 'nativeTls'))) === 'first',
      900,
    )
    await old.peer.succeed(Op.TOPIC_LIST, {})
    old.peer.destroy()
  })

  test('keeps the old certificate when the new one is bad', async () => {
    const count = (): number => (broker.stdout().match(/"tls\.reload-failed"/g) ?? []).length
    copyFileSync(file('second.crt'), file('live.crt'))
    process.kill(broker.pid, 'SIGHUP')
    await eventually('the mistake is in the log', () => count() > 0)
    writeFileSync(file('live.crt'), '-----BEGIN CERTIFICATE-----\nhalf')
    process.kill(broker.pid, 'SIGHUP')
    await eventually('this one too', () => count() > 1)
    expect(await subjectOf(port(broker, 'nativeTls'))).toBe('first')
    expect(broker.stdout()).not.toMatch(/PRIVATE KEY/)
    useCertificate('first')
    process.kill(broker.pid, 'SIGHUP')
  })
})

test('follows links and renames, as certificates are replaced in containers', async () => {
  symlinkSync('first.crt', file('linked.crt'))
  symlinkSync('first.key', file('linked.key'))
  const broker = await launch([
    '--tls-cert-file',
    file('linked.crt'),
    '--tls-key-file',
    file('linked.key'),
  ])
  for (const end of ['key', 'crt']) {
    symlinkSync(`second.${end}`, file(`new.${end}`))
    renameSync(file(`new.${end}`), file(`linked.${end}`))
  }
  await eventually(
    'the link is followed',
    async () => (await subjectOf(port(broker, 'https'))) === 'second',
  )
})

test('requires client certificates of the authority, on every TLS port', async () => {
  const broker = await launch([], {
    MILLRACE_TLS__CLIENT_CA_FILE: file('ca.crt'),
    MILLRACE_TLS__CLIENT_AUTH: 'required',
    MILLRACE_TLS__MIN_VERSION: '1.3',
  })
  const curl = `curl --silent --cacert ca.crt https://localhost:${port(broker, 'https')}/livez`
  expect((await shell(`${curl} --cert alice.crt --key alice.key`)).stdout).toBe(
    '{"status":"live"}\n',
  )
  expect((await shell(`${curl} || true`)).stdout).toBe('')
  expect((await shell(`${curl} --cert mallory.crt --key mallory.key || true`)).stdout).toBe('')
  const at = `-connect 127.0.0.1:${port(broker, 'nativeTls')} -CAfile ca.crt`
  const old = await shell(`openssl s_client ${at} -tls1_2 < /dev/null 2>&1 || true`)
  expect(old.stdout).toMatch(/alert protocol version/)
  await expect(open(port(broker, 'nativeTls'))).rejects.toThrow()
  const refusals = (broker.stdout().match(/"tls\.certificate-refused"/g) ?? []).length
  expect(refusals).toBe(3)
  expect((await get(broker.httpPort, '/livez')).status).toBe(200)
})

test.each([
  [
    'a key of another certificate',
    'first.crt',
    'second.key',
    /'tls\.keyFile' .*does not belong to the certificate/,
  ],
  ['a file that is not there', 'none.crt', 'first.key', /'tls\.certFile' .*there is no such file/],
  ['a key in the place of the certificate', 'first.key', 'first.key', /'tls\.certFile' /],
])('does not start with %s', async (_what, cert, key, message) => {
  const ending = await launchToItsEnd({
    dataDir: scratch.next('data'),
    args: ['--tls-cert-file', file(cert), '--tls-key-file', file(key)],
  })
  expect(ending.code).toBe(2)
  expect(ending.stderr).toMatch(message)
  expect(ending.stderr).not.toMatch(/PRIVATE KEY/)
})
