/**
 * Kafka clients of other hands, each as a program that writes records and reads topics, and the SDK
 * among them. None is told anything but an address.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Client, type CompressionName, connect } from '@millrace/client-node'
import { debianPython } from './debian-python.ts'
import { repositoryRoot } from './shell.ts'

export interface KafkaRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly payload: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

export type NewRecord = Omit<KafkaRecord, 'offset'>

export interface Addresses {
  /** host:port of the Kafka listener. */
  readonly kafka: string
  /** URL of the native one. */
  readonly native: string
}

export interface KafkaClient {
  readonly name: string
  /** What it can compress with. */
  readonly codecs: readonly CompressionName[]
  /** Whether the records carry the timestamps they were given. */
  readonly keepsTimestamps: boolean
  write(
    to: Addresses,
    topic: string,
    codec: CompressionName,
    records: readonly NewRecord[],
  ): Promise<void>
  read(from: Addresses, topics: readonly string[]): Promise<Map<string, readonly KafkaRecord[]>>
  /** The record at an offset, waited for in one long poll; those beneath a consumer have it. */
  poll?(from: Addresses, topic: string, offset: number): Promise<readonly KafkaRecord[]>
}

const everyCodec: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
/** A client that cannot reach what it wants tries again for long. */
const PROGRAM_MS_MAX = 60_000
const endToEnd = join(repositoryRoot, 'apps', 'e2e')

/** Standard output of a program; fails with what it wrote to standard error. */
export const runProgram = async (
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
  timeout = PROGRAM_MS_MAX,
): Promise<string> => {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout })
  const output: Buffer[] = []
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  // Who ends early closes its input: the exit code and the text say why.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${errors}`)
  return Buffer.concat(output).toString()
}

const byTopic = (output: string): Map<string, readonly KafkaRecord[]> => {
  const found = new Map<string, readonly KafkaRecord[]>()
  for (const line of output.split('\n')) {
    if (line === '') continue
    const { topic, records } = JSON.parse(line) as { topic: string; records: KafkaRecord[] }
    found.set(topic, records)
  }
  return found
}

const program = (
  name: string,
  command: readonly string[],
  codecs: readonly CompressionName[],
  more: readonly string[] = [],
): KafkaClient => {
  const [executable, ...args] = command as [string, ...string[]]
  return {
    name,
    codecs,
    keepsTimestamps: true,
    write: async ({ kafka }, topic, codec, records) => {
      const all = [...args, 'write', kafka, topic, codec, ...more]
      await runProgram(executable, all, JSON.stringify(records))
    },
    read: async ({ kafka }, topics) =>
      byTopic(await runProgram(executable, [...args, 'read', kafka, ...topics])),
    poll: async ({ kafka }, topic, offset) => {
      const output = await runProgram(executable, [...args, 'poll', kafka, topic, `${offset}`])
      return byTopic(output).get(topic) ?? []
    },
  }
}

const python = [debianPython, '-B', join(endToEnd, 'python', 'kafka_client.py')]
const script = (name: string): string[] => [process.execPath, join(endToEnd, 'clients', name)]
const isZstdInNode = 'zstdCompressSync' in process.getBuiltinModule('node:zlib')

interface KcatLine {
  readonly offset: number
  readonly ts: number
  readonly key: string | null
  readonly payload: string | null
  readonly headers?: readonly string[]
}

const toKafkaRecord = ({ offset, ts, key, payload, headers = [] }: KcatLine): KafkaRecord => ({
  offset,
  timestamp: ts,
  key: key === '' ? null : key,
  payload,
  headers: headers.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, headers[index + 1] ?? '']] : [],
  ),
})

/** `-Z`: what is empty is null. */
const kcatLine = ({ key, payload }: NewRecord): string => `${key ?? ''}\t${payload ?? ''}\n`

const readWithKcat = async (address: string, topic: string): Promise<readonly KafkaRecord[]> => {
  const args = ['-b', address, '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q', '-J']
  const output = await runProgram('kcat', [
    ...args,
    '-X',
    'check.crcs=true',
    '-X',
    'fetch.wait.max.ms=20',
  ])
  const lines = output.split('\n').slice(0, -1)
  return lines.map((line) => toKafkaRecord(JSON.parse(line) as KcatLine))
}

export const kcat: KafkaClient = {
  name: 'kcat',
  codecs: everyCodec,
  keepsTimestamps: false,
  write: async ({ kafka }, topic, codec, records) => {
    const headers = (records[0]?.headers ?? []).flatMap(([name, text]) => ['-H', `${name}=${text}`])
    const args = [
      '-b',
      kafka,
      '-P',
      '-t',
      topic,
      '-p',
      '0',
      '-z',
      codec,
      '-K',
      '\t',
      '-Z',
      '-X',
      'message.max.bytes=16000000',
      ...headers,
    ]
    await runProgram('kcat', args, records.map(kcatLine).join(''))
  },
  read: async ({ kafka }, topics) => {
    const found = new Map<string, readonly KafkaRecord[]>()
    for (const topic of topics) found.set(topic, await readWithKcat(kafka, topic))
    return found
  },
}

const withSdk = async <T>(url: string, work: (client: Client) => Promise<T>): Promise<T> => {
  const client = await connect(url)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

const readWithSdk = async (client: Client, topic: string): Promise<readonly KafkaRecord[]> => {
  const records: KafkaRecord[] = []
  const options = { from: 'start', follow: false, codec: 'string' } as const
  for await (const message of client.consume<string>(topic, options)) {
    records.push({
      offset: message.offset,
      timestamp: message.timestamp,
      key: message.keyText,
      payload: message.payload,
      headers: [...message.headers].map(([name, bytes]) => [
        name,
        bytes === null ? null : Buffer.from(bytes).toString(),
      ]),
    })
  }
  return records
}

export const sdk: KafkaClient = {
  name: 'the SDK',
  codecs: everyCodec,
  keepsTimestamps: true,
  write: ({ native }, topic, compression, records) =>
    withSdk(native, async (client) => {
      const producer = client.producer<string>(topic, { codec: 'string', compression })
      for (const { key, payload, headers, timestamp } of records) {
        const message = { key, value: payload, headers: [...headers], timestamp, partition: 0 }
        if (!producer.write(message)) await producer.ready()
      }
      await producer.close()
    }),
  read: ({ native }, topics) =>
    withSdk(native, async (client) => {
      const found = new Map<string, readonly KafkaRecord[]>()
      for (const topic of topics) found.set(topic, await readWithSdk(client, topic))
      return found
    }),
}

export const confluent: KafkaClient = program('confluent-kafka', python, everyCodec, ['idempotent'])
export const kafkajs: KafkaClient = program('kafkajs', script('kafkajs.mjs'), everyCodec, [
  'idempotent',
])
/** Its zstd is Node's own, which Node 20 does not have. */
export const platformatic: KafkaClient = program(
  'platformatic',
  script('platformatic.mjs'),
  isZstdInNode ? everyCodec : everyCodec.filter((codec) => codec !== 'zstd'),
  ['idempotent'],
)

export const kafkaClients: readonly KafkaClient[] = [kcat, confluent, kafkajs, platformatic, sdk]
