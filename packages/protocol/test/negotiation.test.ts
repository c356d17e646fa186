import {
  isOpcode,
  isRequest,
  isResponse,
  negotiateFrameBytes,
  negotiateHeartbeat,
  negotiateVersion,
  Opcode,
  opcodeName,
  RESPONSE_BIT,
} from '../src/index.ts'
import { failureOf } from './support.ts'

describe('negotiateVersion', () => {
  it('picks the highest version both speak', () => {
    expect(negotiateVersion([1])).toBe(1)
    expect(negotiateVersion([9, 1, 2], [1, 2, 3])).toBe(2)
  })

  it.each([[[]], [[2, 3]], [[0]]])('refuses %j and names what is spoken', (offered) => {
    const failure = failureOf(() => negotiateVersion(offered))
    expect(failure.code).toBe('ERR_UNSUPPORTED_VERSION')
    expect(failure.message).toContain('this broker speaks 1')
  })
})

it('agrees on the smaller frame, inside the bounds', () => {
  expect(negotiateFrameBytes(262144, 65536)).toBe(65536)
  expect(negotiateFrameBytes(16384, 262144)).toBe(16384)
  expect(negotiateFrameBytes(0xffffffff, 0xffffffff)).toBe(1048576)
  expect(negotiateFrameBytes(1, 262144)).toBe(8192)
})

it('agrees on the shorter heartbeat, inside the bounds, or none', () => {
  expect(negotiateHeartbeat(15000, 30000)).toBe(15000)
  expect(negotiateHeartbeat(60000, 30000)).toBe(30000)
  expect(negotiateHeartbeat(999, 30000)).toBe(1000)
  expect(negotiateHeartbeat(1001, 30000)).toBe(1001)
  expect(negotiateHeartbeat(0xffffffff, 0xffffffff)).toBe(3600000)
  expect(negotiateHeartbeat(0, 30000)).toBe(0)
})

it('pairs every answer with a request', () => {
  for (const opcode of Object.values(Opcode)) {
    if (isResponse(opcode)) expect(isOpcode(opcode & ~RESPONSE_BIT)).toBe(true)
  }
  expect(new Set(Object.values(Opcode)).size).toBe(Object.keys(Opcode).length)
})

it('knows requests from what nobody answers', () => {
  for (const opcode of [Opcode.CONNECT, Opcode.PING, Opcode.PRODUCE, Opcode.CLOSE, 0x66]) {
    expect(isRequest(opcode)).toBe(true)
  }
  const { CREDIT, DELIVER, SUBSCRIPTION_END, GO_AWAY, ERROR, PONG } = Opcode
  for (const opcode of [CREDIT, DELIVER, SUBSCRIPTION_END, GO_AWAY, ERROR, PONG, 0xff]) {
    expect(isRequest(opcode)).toBe(false)
  }
})

it('names opcodes, also unknown ones', () => {
  expect(opcodeName(Opcode.TOPIC_OPENED)).toBe('TOPIC_OPENED')
  expect(opcodeName(0x0a)).toBe('0x0a')
})
