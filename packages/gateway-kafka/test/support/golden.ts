/** The recorded requests of real clients. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface GoldenRequest {
  readonly key: number
  readonly version: number
  readonly bytes: Uint8Array
}

export interface GoldenClient {
  readonly client: string
  readonly version: string
  readonly requests: readonly GoldenRequest[]
}

interface GoldenFile {
  readonly client: string
  readonly version: string
  readonly requests: readonly {
    readonly key: number
    readonly version: number
    readonly hex: string
  }[]
}

const read = (name: string): GoldenClient => {
  const text = readFileSync(join(__dirname, '..', 'golden', `${name}.json`), 'utf8')
  const { requests, ...file } = JSON.parse(text) as GoldenFile
  return {
    ...file,
    requests: requests.map(({ key, version, hex }) => ({
      key,
      version,
      bytes: new Uint8Array(Buffer.from(hex, 'hex')),
    })),
  }
}

export const goldenClients: readonly GoldenClient[] = [
  'kcat',
  'python',
  'kafkajs',
  'platformatic',
].map(read)
