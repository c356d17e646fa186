/** Vectors and frame collecting, shared by the tests of this package. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isBrokerError, type ErrorCode } from '@millrace/codec'
import {
  BODY_BYTES_MAX,
  FRAME_BYTES_DEFAULT,
  type Frame,
  FrameDecoder,
  type FrameDecoderOptions,
  type OpcodeName,
} from '../src/index.ts'

export interface Vector {
  readonly name: string
  readonly opcode: OpcodeName
  readonly channel: number
  readonly correlation: number
  readonly message: unknown
  readonly frame: string
}

export const fromHex = (hex: string): Uint8Array => {
  const bytes = new Uint8Array(hex.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)
  }
  return bytes
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const revive = (_key: string, value: unknown): unknown => {
  const hex = (value as { $hex?: unknown } | null)?.$hex
  return typeof hex === 'string' ? fromHex(hex) : value
}

export const readVectors = <T>(name: string): T =>
  JSON.parse(readFileSync(join(__dirname, 'vectors', name), 'utf8'), revive) as T

export const session = readVectors<Vector[]>('session.json')
export const queueVectors: Vector[] = readVectors<Vector[]>('queues.json')
export const allVectors: Vector[] = [
  ...session,
  ...readVectors<Vector[]>('messages.json'),
  ...queueVectors,
]

export const concat = (chunks: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** A copy of a borrowed frame. */
export const keep = (frame: Frame): Frame => ({ ...frame, body: new Uint8Array(frame.body) })

export interface Collector {
  readonly decoder: FrameDecoder
  readonly frames: Frame[]
}

export const collect = (options: Partial<FrameDecoderOptions> = {}): Collector => {
  const frames: Frame[] = []
  const decoder = new FrameDecoder({
    frameBytesMax: FRAME_BYTES_DEFAULT,
    bodyBytesMax: BODY_BYTES_MAX,
    onFrame: (frame) => {
      frames.push(keep(frame))
    },
    ...options,
  })
  return { decoder, frames }
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The code and text of what `action` throws; fails when it throws nothing or something else. */
export const failureOf = (action: () => unknown): { code: ErrorCode; message: string } => {
  try {
    action()
  } catch (error) {
    if (!isBrokerError(error)) throw error
    return { code: error.code, message: error.message }
  }
  throw new Error('nothing was thrown')
}
