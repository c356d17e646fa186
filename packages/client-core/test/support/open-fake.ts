/** A client connected to a fake broker, with everything a test turns at hand. */
import { RecordBatchBuilder, utf8Encode } from '@millrace/codec'
import type { Client } from '../../src/client.ts'
import { openClient } from '../../src/open-client.ts'
import { type ConnectOptions, resolveOptions } from '../../src/options.ts'
import type { BrokerAddress } from '../../src/transport.ts'
import { FakeBroker } from './fake-broker.ts'
import { FakePlatform } from './fake-platform.ts'
import { type MemoryLink, MemoryTransport } from './memory-transport.ts'

export interface Fixture {
  readonly platform: FakePlatform
  readonly broker: FakeBroker
  readonly transport: MemoryTransport
  readonly client: Client
  readonly link: MemoryLink
}

export const ADDRESS: BrokerAddress = {
  scheme: 'millrace',
  host: '127.0.0.1',
  port: 7420,
  path: '',
  url: 'millrace://127.0.0.1:7420',
}

export const openFake = async (
  prepare: (broker: FakeBroker) => void = () => undefined,
  options: ConnectOptions = {},
): Promise<Fixture> => {
  const platform = new FakePlatform()
  const broker = new FakeBroker()
  prepare(broker)
  const transport = new MemoryTransport((link) => broker.accept(link))
  // A lost connection is the end unless the test is about what follows it.
  const resolved = resolveOptions({ reconnect: false, ...options }, '/')
  const client = await openClient(transport, platform, ADDRESS, resolved)
  return { platform, broker, transport, client, link: transport.link as MemoryLink }
}

/** A batch of records with these texts as values. */
export const batchOf = (texts: readonly string[], timestamp = 1): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (const text of texts) builder.appendFields(timestamp, null, utf8Encode(text), [])
  return builder.build()
}

/** The code of a rejection: `await expect(codeOf(promise)).resolves.toBe('ERR_…')`. */
export const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return (error as { code?: unknown }).code ?? error
  }
  return undefined
}

export const textOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    return (error as Error).message
  }
  return ''
}
