/** kafkajs writes and we read, we write and kafkajs reads: every version that both know. */
import { MessageReader } from '../src/message-reader.ts'
import { findCoordinator } from '../src/schema/apis/find-coordinator.ts'
import { type ExchangeCase, exchangeCases } from './support/exchange-cases.ts'
import { kafkajsProtocol } from './support/kafkajs.ts'
import { encodeBody, versionOf } from './support/wire.ts'

const versions = exchangeCases.flatMap((one) =>
  kafkajsProtocol(one.folder)
    .versions.map(Number)
    .filter((version) => one.api.version(version) !== undefined)
    .map((version): [string, number, ExchangeCase] => [one.api.name, version, one]),
)

it('knows most versions that kafkajs speaks', () => {
  expect(versions.length).toBeGreaterThanOrEqual(40)
})

it.each(versions)('%s %d of kafkajs is understood', async (_name, version, one) => {
  // Its Produce before version 3 writes an older batch format; the fields around it are the same.
  const { request } = kafkajsProtocol(one.folder).protocol({ version })(one.asked)
  const { buffer } = await request.encode()
  expect(request.apiKey).toBe(one.api.key)
  const reader = new MessageReader(buffer)
  const read = versionOf(one.api, version).request.read(reader)
  expect(reader.remaining).toBe(0)
  if (one.api.key === findCoordinator.key && version === 0) return
  expect(read).toMatchObject(one.understood)
})

it.each(versions)('%s %d is understood by kafkajs', async (_name, version, one) => {
  const body = encodeBody(one.api, version, one.answered as unknown)
  const { response } = kafkajsProtocol(one.folder).protocol({ version })(one.asked)
  expect(await response.decode(body)).toMatchObject(one.decoded(version))
})
