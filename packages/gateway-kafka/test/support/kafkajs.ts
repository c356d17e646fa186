/** The codecs of kafkajs alone, without its network: what another hand makes of the protocol. */
import { createRequire } from 'node:module'

interface Encoded {
  readonly buffer: Buffer
}

interface Exchange {
  readonly request: { readonly apiKey: number; encode(): Promise<Encoded> }
  readonly response: { decode(body: Buffer): Promise<Record<string, unknown>> }
}

interface Protocol {
  readonly versions: readonly string[]
  protocol(options: { version: number }): (args?: object) => Exchange
}

const require = createRequire(__filename)

export const kafkajsProtocol = (api: string): Protocol =>
  require(`kafkajs/src/protocol/requests/${api}`) as Protocol
