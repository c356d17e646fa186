import { BrokerError, type ErrorCode, errorTable } from '@millrace/codec'
import { createRequire } from 'node:module'
import { asFault, faultOf, isAmqpFault, preconditionFailed, ReplyCode } from '../src/errors.ts'
import { resourceFault } from '../src/resource-faults.ts'

const require = createRequire(__filename)
const { constants } = require('amqplib-oracle/lib/defs') as { constants: Record<string, number> }

const codes = Object.keys(errorTable) as ErrorCode[]

it.each(codes)('%s has words in AMQP', (code) => {
  const fault = faultOf(new BrokerError(code))
  expect(fault.replyCode).toBe(ReplyCode[fault.reply])
  expect(fault.replyCode).not.toBe(ReplyCode.SUCCESS)
  expect(fault.message.startsWith(`${fault.reply} - `)).toBe(true)
  expect(fault.code).toBe(code)
})

it.each(Object.entries(ReplyCode))('%s is %d for amqplib too', (name, code) => {
  const known = name === 'SUCCESS' ? constants['REPLY_SUCCESS'] : constants[name]
  expect(known).toBe(code)
})

it('lets bugs go on their way', () => {
  const bug = new TypeError('oops')
  expect(() => asFault(bug)).toThrow(bug)
  expect(() => resourceFault(bug, { vhost: '/', user: 'u' })).toThrow(bug)
})

it('knows its own faults, and leaves them as they are', () => {
  const fault = preconditionFailed('x')
  expect(asFault(fault)).toBe(fault)
  expect(resourceFault(fault, { vhost: '/', user: 'u' })).toBe(fault)
  expect(isAmqpFault(new BrokerError('ERR_INTERNAL'))).toBe(false)
})

it.each([
  ['ERR_QUEUE_DELETED', "NOT_FOUND - no queue 'q' in vhost '/v'"],
  ['ERR_EXCHANGE_NOT_FOUND', "NOT_FOUND - no exchange 'e' in vhost '/v'"],
  ['ERR_NOT_AUTHORIZED', "ACCESS_REFUSED - access to queue 'q' in vhost '/v' refused for user 'u'"],
] as const)('names what %s is about', (code, text) => {
  const names = { vhost: '/v', user: 'u', queue: 'q', exchange: 'e' }
  expect(resourceFault(new BrokerError(code), names).message).toBe(text)
})
