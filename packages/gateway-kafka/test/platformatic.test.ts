/** We write and @platformatic/kafka reads: the flexible versions that kafkajs does not speak. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { exchangeCases } from './support/exchange-cases.ts'
import { encodeBody } from './support/wire.ts'

interface Decoded {
  readonly response?: object
  readonly left?: number
  readonly error?: string
}

const spoken: Readonly<Record<string, readonly number[]>> = {
  apiVersions: [3, 4],
  createTopics: [7],
  deleteTopics: [6],
  fetch: [12],
  findCoordinator: [4],
  initProducerId: [3, 4],
  listOffsets: [5, 6, 7, 8],
  metadata: [9, 10, 11, 12],
  produce: [7, 8, 9, 10, 11],
  saslAuthenticate: [2],
  saslHandshake: [1],
}

const expected: Readonly<Record<string, (version: number) => object>> = {
  apiVersions: () => ({ apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }),
  createTopics: () => ({ topics: [{ name: 'orders', errorCode: 36, errorMessage: 'it exists' }] }),
  deleteTopics: () => ({ responses: [{ name: 'orders', errorCode: 3 }] }),
  fetch: () => ({
    responses: [{ topicId: 'orders', partitions: [{ partitionIndex: 2, highWatermark: '18' }] }],
  }),
  findCoordinator: () => ({ coordinators: [] }),
  initProducerId: () => ({ producerId: '4294967297', producerEpoch: 3 }),
  listOffsets: () => ({
    topics: [
      { name: 'orders', partitions: [{ partitionIndex: 1, offset: '9', timestamp: '1000' }] },
    ],
  }),
  metadata: () => ({
    controllerId: 7,
    brokers: [{ nodeId: 7, host: 'host.example', port: 9092 }],
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 3, leaderId: 7, leaderEpoch: 2 }] }],
  }),
  produce: () => ({
    throttleTimeMs: 12,
    responses: [
      { name: 'orders', partitionResponses: [{ index: 2, baseOffset: '41', logStartOffset: '5' }] },
    ],
  }),
  saslAuthenticate: () => ({ errorCode: 58, errorMessage: 'no', sessionLifetimeMs: '60000' }),
  saslHandshake: () => ({ errorCode: 33, mechanisms: ['SCRAM-SHA-256'] }),
}

/**
 * It leaves the last byte, the number of tagged fields, and takes one byte for the four of the
 * cluster's authorized operations.
 */
const unread: Readonly<Record<string, number>> = { metadataV9: 4, metadataV10: 4 }

const asked = exchangeCases.flatMap(({ folder, api, answered }) =>
  (spoken[folder] ?? []).map((version) => ({
    folder,
    version,
    key: api.key,
    name: `${folder}V${version}`,
    hex: encodeBody(api, version, answered as unknown).toString('hex'),
  })),
)

const decodeAll = (): readonly Decoded[] => {
  const script = join(__dirname, 'support', 'decode-with-platformatic.mjs')
  const output = execFileSync(process.execPath, [script], { input: JSON.stringify(asked) })
  return JSON.parse(output.toString()) as readonly Decoded[]
}

const decoded = decodeAll()

it.each(asked.map((one, index): [string, number] => [one.name, index]))(
  '%s of platformatic understands us',
  (_name, index) => {
    const { folder, version } = asked[index] as (typeof asked)[number]
    const { error, response, left } = decoded[index] as Decoded
    expect(error).toBeUndefined()
    expect(response).toMatchObject(expected[folder]?.(version) ?? {})
    expect(left).toBeLessThanOrEqual(unread[`${folder}V${version}`] ?? 1)
  },
)
