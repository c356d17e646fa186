/** What real clients sent, read by our tables and written again. */
import { batchMagic, validateBatch } from '@millrace/codec'
import { MessageReader } from '../src/message-reader.ts'
import { MessageWriter } from '../src/message-writer.ts'
import type { Api } from '../src/schema/api.ts'
import { type FetchRequest, fetch } from '../src/schema/apis/fetch.ts'
import { type ProduceRequest, produce, PRODUCE_KEY } from '../src/schema/apis/produce.ts'
import { readHeaderStart, skipHeaderRest } from '../src/schema/header.ts'
import { servedApis } from '../src/served-apis.ts'
import { type GoldenRequest, goldenClients } from './support/golden.ts'
import { versionOf } from './support/wire.ts'

const apiOf = (key: number): Api<unknown, unknown> => {
  const found = servedApis.find((api) => api.key === key)
  if (found === undefined) throw new Error(`no table for API ${key}`)
  return found as unknown as Api<unknown, unknown>
}

const requests = goldenClients.flatMap(({ client, version, requests: all }) =>
  all.map((request): [string, GoldenRequest] => {
    const { name } = apiOf(request.key)
    return [`${name} ${request.version} of ${client}, ${version}`, request]
  }),
)

const decode = ({ bytes }: GoldenRequest) => {
  const reader = new MessageReader(bytes)
  const { key, version } = readHeaderStart(reader)
  const codec = versionOf(apiOf(key), version)
  skipHeaderRest(reader, codec.isFlexible)
  const bodyAt = reader.position
  const request = codec.request.read(reader)
  return { codec, request, body: bytes.subarray(bodyAt), left: reader.remaining }
}

it.each(requests)('%s is read to its end and written as it came', (_name, golden) => {
  const { codec, request, body, left } = decode(golden)
  expect(left).toBe(0)
  const writer = new MessageWriter()
  codec.request.write(writer, request)
  expect(Buffer.from(writer.finish()).toString('hex')).toBe(Buffer.from(body).toString('hex'))
})

it.each(requests)('%s is refused wherever it is cut', (_name, golden) => {
  for (let end = 0; end < golden.bytes.length; end++) {
    const bytes = golden.bytes.subarray(0, end)
    expect(() => decode({ ...golden, bytes })).toThrow(
      expect.objectContaining({ code: 'ERR_MALFORMED_BODY' }) as Error,
    )
  }
})

describe('what clients mean', () => {
  const of = (client: string, key: number) =>
    goldenClients
      .filter((golden) => golden.client === client)
      .flatMap((golden) => golden.requests.filter((request) => request.key === key))
      .map((request) => decode(request).request)

  it.each(['kcat', 'python', 'kafkajs', 'platformatic'])(
    '%s sends one batch of format 2',
    (name) => {
      const sent = of(name, PRODUCE_KEY) as ProduceRequest[]
      expect(sent.length).toBeGreaterThan(0)
      for (const { transactionalId, topicData } of sent) {
        expect(transactionalId).toBeNull()
        for (const { partitionData } of topicData) {
          for (const { records } of partitionData) {
            const bytes = records as Uint8Array
            expect(batchMagic(bytes)).toBe(2)
            const batchLimits = { batchBytesMax: 1 << 20, recordsPerBatchMax: 1_000 }
            validateBatch(bytes, { ...batchLimits, codecs: [0, 1, 2, 3, 4] })
          }
        }
      }
    },
  )

  it('librdkafka fetches with the limits it documents', () => {
    const [request] = of('kcat', fetch.key) as FetchRequest[]
    expect(request).toMatchObject({ replicaId: -1, maxWaitMs: 500, minBytes: 1, sessionEpoch: -1 })
    expect(request?.topics[0]?.partitions[0]).toMatchObject({ partition: 0, fetchOffset: 0 })
  })

  it('leaves the records where they are', () => {
    const golden = goldenClients[0]?.requests.find(({ key }) => key === produce.key)
    if (golden === undefined) throw new Error('no Produce was recorded')
    const { topicData } = decode(golden).request as ProduceRequest
    const records = topicData[0]?.partitionData[0]?.records as Uint8Array
    expect(records.buffer).toBe(golden.bytes.buffer)
  })
})
