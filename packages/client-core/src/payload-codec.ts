/**
 * Between what a program holds and the bytes of a record. The bytes carry no mark of their codec: who
 * reads chooses, as who writes did.
 */
import { BrokerError, utf8Decode } from '@millrace/codec'
import { Packr, Unpackr } from 'msgpackr'
import { invalidArgument, messageOf } from './errors.ts'
import { TextEncoding } from './text-encoding.ts'

/** Your own codec: three members, no state between messages. */
export interface PayloadCodec<T> {
  /** Shown in errors. */
  readonly name: string
  /** The result is copied before the next call: it may be a view of a buffer that is used again. */
  encode(value: T): Uint8Array
  /** The bytes belong to the message: copy what has to outlive it and is large. */
  decode(bytes: Uint8Array): T
}

/** `json` (any value JSON can say), `string` (UTF-8), `bytes` (as they are), `msgpack`. */
export type CodecName = 'json' | 'string' | 'bytes' | 'msgpack'

const jsonCodec = (): PayloadCodec<unknown> => {
  const text = new TextEncoding()
  return {
    name: 'json',
    encode: (value) => {
      const json = JSON.stringify(value) as string | undefined
      if (json === undefined) throw invalidArgument('value', `JSON cannot say ${typeof value}`)
      return text.encode(json)
    },
    decode: (bytes) => JSON.parse(utf8Decode(bytes)) as unknown,
  }
}

const stringCodec = (): PayloadCodec<unknown> => {
  const text = new TextEncoding()
  return {
    name: 'string',
    encode: (value) => {
      if (typeof value === 'string') return text.encode(value)
      throw invalidArgument('value', `the string codec takes a string, not ${typeof value}`)
    },
    decode: utf8Decode,
  }
}

const bytesCodec = (): PayloadCodec<unknown> => ({
  name: 'bytes',
  encode: (value) => {
    if (ArrayBuffer.isView(value) && 'subarray' in value) return value as Uint8Array
    throw invalidArgument('value', `the bytes codec takes a Uint8Array, not ${typeof value}`)
  },
  decode: (bytes) => bytes,
})

const msgpackCodec = (): PayloadCodec<unknown> => {
  // Without records a payload is plain MessagePack that any other language reads.
  const packr = new Packr({ useRecords: false, variableMapSize: true })
  const unpackr = new Unpackr({ useRecords: false })
  return {
    name: 'msgpack',
    encode: (value) => packr.pack(value),
    decode: (bytes) => unpackr.unpack(bytes) as unknown,
  }
}

const factories: Record<CodecName, () => PayloadCodec<unknown>> = {
  json: jsonCodec,
  string: stringCodec,
  bytes: bytesCodec,
  msgpack: msgpackCodec,
}

/** A codec of one's own for each producer and consumer: the built-in ones hold a buffer. */
export const resolveCodec = <T>(codec: CodecName | PayloadCodec<T> = 'json'): PayloadCodec<T> => {
  if (typeof codec !== 'string') return codec
  if (!Object.hasOwn(factories, codec)) {
    const names = Object.keys(factories).join(', ')
    throw invalidArgument('codec', `'${String(codec)}' is not one of ${names}`)
  }
  return factories[codec]() as PayloadCodec<T>
}

/** Throws ERR_INVALID_ARGUMENT when the value cannot be said in this codec. */
export const encodePayload = <T>(codec: PayloadCodec<T>, value: T): Uint8Array => {
  try {
    return codec.encode(value)
  } catch (error) {
    throw invalidArgument('value', `it cannot be written as ${codec.name}: ${messageOf(error)}`)
  }
}

/** Throws ERR_PAYLOAD_CODEC when the bytes are something else. */
export const decodePayload = <T>(codec: PayloadCodec<T>, bytes: Uint8Array): T => {
  try {
    return codec.decode(bytes)
  } catch (error) {
    throw new BrokerError('ERR_PAYLOAD_CODEC', [codec.name, messageOf(error)], { cause: error })
  }
}
