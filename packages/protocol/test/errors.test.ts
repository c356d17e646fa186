import { BrokerError, type ErrorCode, errorTable } from '@millrace/codec'
import {
  decodeError,
  encodeControl,
  encodeError,
  ERROR_MESSAGE_CHARACTERS_MAX,
  FRAME_HEADER_BYTES,
  HANDSHAKE_FRAME_BYTES_MAX,
  Opcode,
  receivedError,
  wireOfError,
} from '../src/index.ts'
import { collect } from './support.ts'

it.each(Object.keys(errorTable) as ErrorCode[])('carries %s there and back', (code) => {
  const error = new BrokerError(code, ['a', 'b', 'c'])
  const { decoder, frames } = collect()
  decoder.push(encodeError(error, 77, 3))
  expect(frames[0]).toMatchObject({ opcode: Opcode.ERROR, correlation: 77, channel: 3 })
  const received = decodeError(frames[0]!.body)
  expect(received).toMatchObject({ code, scope: error.scope, retriable: error.retriable })
  expect(received.message).toBe(error.message)
  expect(wireOfError(received)).toBe(errorTable[code].wire)
})

it('keeps the text and the number of an error it does not know', () => {
  const error = decodeError(encodeControl({ code: 0x0999, message: 'the moon is full' }))
  expect(error.code).toBe('ERR_INTERNAL')
  expect(error.message).toBe('the moon is full (unknown error 0x0999)')
})

it('finds a text where the peer sent none', () => {
  expect(receivedError(0x0401, '').message).toBe('too many requests in flight: wait for answers')
  expect(receivedError(0x0999, '').message).toBe('no text (unknown error 0x0999)')
})

it('cuts a long text so that the frame fits the handshake, and never inside a character', () => {
  const text = `x${'😀'.repeat(2000)}`
  const frame = encodeError(BrokerError.received('ERR_INTERNAL', text), 0)
  expect(frame.length).toBeLessThan(HANDSHAKE_FRAME_BYTES_MAX)
  const { message } = decodeError(frame.subarray(FRAME_HEADER_BYTES))
  expect(message).toHaveLength(ERROR_MESSAGE_CHARACTERS_MAX - 1)
  const exact = BrokerError.received('ERR_INTERNAL', 'y'.repeat(1024))
  expect(decodeError(encodeError(exact, 0).subarray(12)).message).toHaveLength(1024)
})
