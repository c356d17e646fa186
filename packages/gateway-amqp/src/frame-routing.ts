/** Frames that belong to no channel that is open: those of the connection, and those that open one. */
import { ByteReader, readUint16 } from '@millrace/codec'
import { AmqpChannel } from './amqp-channel.ts'
import type { AmqpSession } from './amqp-session.ts'
import { FrameType } from './codec/frame.ts'
import { findMethod, readMethod } from './codec/methods.ts'
import { connectionHandlers } from './connection-methods.ts'
import { channelError, notAllowed, unexpectedFrame } from './errors.ts'
import { type ConnectionMethod, isLegal } from './session-state.ts'

const IDS_BYTES = 4
const NOTHING = new Uint8Array(0)

/** A method on channel 0. */
export const handleConnectionFrame = (
  session: AmqpSession,
  type: FrameType,
  bytes: Uint8Array,
  from: number,
  to: number,
): void => {
  if (type !== FrameType.METHOD || to - from < IDS_BYTES) {
    session.failWith(unexpectedFrame('expected method frame, got non method frame instead'), 0, 0)
    return
  }
  const classId = readUint16(bytes, from)
  const methodId = readUint16(bytes, from + 2)
  const name = findMethod(classId, methodId)?.name
  const { state } = session
  if (name === undefined || !isLegal(state, name)) {
    if (state === 'closing') return
    const fault = channelError(`unexpected method in connection state ${state}`)
    session.failWith(fault, classId, methodId)
    return
  }
  try {
    const work = handle(session, name, new ByteReader(bytes, from + IDS_BYTES, to))
    if (work !== undefined) session.follow(work, classId, methodId)
  } catch (error) {
    session.failWith(session.faultOf(error), classId, methodId)
  }
}

const handle = <Name extends ConnectionMethod>(
  session: AmqpSession,
  name: Name,
  reader: ByteReader,
): Promise<void> | undefined =>
  connectionHandlers[name](session, readMethod(name, reader)) ?? undefined

/** Something on a channel that is not open: it may only open it. */
export const handleUnopenedChannel = (
  session: AmqpSession,
  type: FrameType,
  number: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): void => {
  const isMethod = type === FrameType.METHOD && to - from >= IDS_BYTES
  const classId = isMethod ? readUint16(bytes, from) : 0
  const methodId = isMethod ? readUint16(bytes, from + 2) : 0
  const { host, channels } = session
  if (host === undefined || findMethod(classId, methodId)?.name !== 'channel.open') {
    session.failWith(channelError("expected 'channel.open'"), classId, methodId)
    return
  }
  if (number > channels.countMax) {
    const text = `channel ${number} is beyond the negotiated channel_max (${channels.countMax})`
    session.failWith(notAllowed(text, 'ERR_LIMIT_EXCEEDED'), classId, methodId)
    return
  }
  channels.add(new AmqpChannel(session, host, number))
  session.output.method(number, 'channel.open-ok', { channelId: NOTHING })
  session.noteAnswer()
}
