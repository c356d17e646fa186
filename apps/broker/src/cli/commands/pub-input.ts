/** What `millrace pub` is given, whatever it publishes to. */
import type { CompressionName } from '@millrace/client-node'
import { INPUT_RECORD_BYTES_MAX } from '../../limits.ts'
import { CommandError, UsageError } from '../failure.ts'
import type { OutputForm } from '../output.ts'
import type { ClientOptions } from '../with-client.ts'

export interface PubOptions extends ClientOptions {
  readonly output?: OutputForm
  readonly lines?: boolean
  readonly key?: string
  readonly keySeparator?: string
  readonly header?: readonly string[]
  readonly partition?: number
  readonly compression?: CompressionName
  /** Of messages: an exchange or a queue takes them. */
  readonly ttl?: string
  readonly delay?: string
  readonly priority?: number
  readonly messageId?: string
  readonly transient?: boolean
}

export type Headers = readonly (readonly [string, string])[]

export const checkLines = (body: string | undefined, { lines }: PubOptions): void => {
  if (lines !== true || body === undefined) return
  throw new UsageError('--lines reads standard input: there is a BODY as well', 'give one of them')
}

export const parseHeaders = (pairs: readonly string[]): Headers =>
  pairs.map((pair) => {
    const at = pair.indexOf('=')
    if (at >= 1) return [pair.slice(0, at), pair.slice(at + 1)]
    throw new UsageError(`--header '${pair}' has no name and value`, 'write --header name=value')
  })

export const readInput = async (): Promise<Buffer> => {
  if (process.stdin.isTTY) process.stderr.write('the body is read from here: end it with Ctrl-D\n')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > INPUT_RECORD_BYTES_MAX) {
      const next = 'give --lines to make a record of each line'
      throw new CommandError(`the input is larger than ${INPUT_RECORD_BYTES_MAX} bytes`, next)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
