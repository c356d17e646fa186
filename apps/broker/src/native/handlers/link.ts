/** PING, PONG and CLOSE: the connection itself. */
import { decodePing, type Frame, Opcode } from '@millrace/protocol'
import type { NativeSession } from '../native-session.ts'

export const handlePing = (session: NativeSession, frame: Frame): void => {
  const { echo } = decodePing(frame.body)
  session.output.send(Opcode.PONG, frame.channel, frame.correlation, echo)
}

/** Any frame is a sign of life; this one is nothing else, whatever it carries. */
export const handlePong = (): void => undefined

export const handleClose = (session: NativeSession, frame: Frame): void => {
  session.enterClosing(frame.channel, frame.correlation)
}
