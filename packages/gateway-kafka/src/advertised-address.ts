/** Where clients are told to connect: what the operator says, else what they used already. */
import type { Connection } from '@millrace/core'
import type { KafkaSettings } from './kafka-settings.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

const MAPPED_IPV4 = '::ffff:'

/** `host:port` with brackets around IPv6, as a connection says it. */
const parse = (address: string): Address => {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  const isMapped = host.toLowerCase().startsWith(MAPPED_IPV4) && host.includes('.')
  return {
    host: isMapped ? host.slice(MAPPED_IPV4.length) : host,
    port: Number(address.slice(colon + 1)),
  }
}

export const advertisedAddress = (
  { localAddress }: Connection,
  { advertisedHost, advertisedPort }: KafkaSettings,
): Address => {
  const used = parse(localAddress)
  return { host: advertisedHost ?? used.host, port: advertisedPort ?? used.port }
}
