/** The codecs of two clients alone, without their networks: what other hands make of AMQP. */
import { createRequire } from 'node:module'

export interface OracleField {
  readonly name: string
  readonly type: string
}

export interface OracleMethod {
  readonly id: number
  readonly classId: number
  readonly methodId: number
  /** As in `BasicGetOk`. */
  readonly name: string
  readonly args: readonly OracleField[]
}

type Fields = Record<string, unknown>

interface AmqplibCodec {
  encodeMethod(id: number, channel: number, fields: Fields): Buffer
  encodeProperties(classId: number, channel: number, size: number, fields: Fields): Buffer
  decode(id: number, bytes: Buffer): Fields
}

const require = createRequire(__filename)
const defs = require('amqplib-oracle/lib/defs') as AmqplibCodec & Record<string, unknown>

export const amqplib: AmqplibCodec = defs

export const amqplibMethods: readonly OracleMethod[] = Object.entries(defs)
  .filter(([key]) => key.startsWith('methodInfo'))
  .map(([, info]) => info as OracleMethod)

/** `BasicGetOk` is `basic.get-ok`. */
export const nameOf = ({ name }: OracleMethod): string => {
  const [className = '', ...words] = (name.match(/[A-Z][a-z]*/g) ?? []).map((word) =>
    word.toLowerCase(),
  )
  return `${className}.${words.join('-')}`
}

/** The view that @cloudamqp/amqp-client reads and writes tables and properties with. */
export interface CloudView {
  getTable(at: number): [Fields, number]
  setTable(at: number, table: Fields): number
  getProperties(at: number): [Fields, number]
  setProperties(at: number, properties: Fields): number
}

const { AMQPView } = require('@cloudamqp/amqp-client/amqp-view') as {
  readonly AMQPView: new (buffer: ArrayBuffer) => CloudView
}

/** Over a copy that begins at 0: it looks into the buffer behind a view. */
export const cloudView = (bytes: Uint8Array): CloudView =>
  new AMQPView(new Uint8Array(bytes).buffer)

export const cloudWrite = (write: (view: CloudView) => number): Uint8Array => {
  const buffer = new ArrayBuffer(64 * 1024)
  const length = write(new AMQPView(buffer))
  return new Uint8Array(buffer, 0, length)
}
