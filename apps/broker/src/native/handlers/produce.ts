/** PRODUCE: head, handle, engine. Nothing else happens here, and nothing is allocated but a view. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  createProduceHead,
  decodeProduceHead,
  type Frame,
  Opcode,
  PRODUCE_HEAD_BYTES,
  type ProduceHead,
  WantedDurability,
} from '@millrace/protocol'
import type { NativeSession } from '../native-session.ts'

/** Nobody waits for it, so it is not counted: the engine's own credit holds it back. */
export const isSilentProduce = (frame: Frame): boolean =>
  frame.opcode === Opcode.PRODUCE && frame.body[8] === WantedDurability.NO_ANSWER

export const handleProduce = (session: NativeSession, frame: Frame): void => {
  const { intake, handles } = session.open
  session.notePublish()
  const { channel, correlation, body } = frame
  const head = decodeHead(body)
  if (isBrokerError(head)) {
    if (!isSilentProduce(frame)) intake.reject(channel, correlation, head)
    return
  }
  const open = handles.find(head.handle)
  if (open === undefined) {
    if (head.durability === WantedDurability.NO_ANSWER) return
    intake.reject(channel, correlation, new BrokerError('ERR_STALE_HANDLE'))
    return
  }
  const batch = body.subarray(PRODUCE_HEAD_BYTES)
  const { partition, durability } = head
  intake.accept(channel, correlation, open.topic, partition, durability, batch, frame.isOwned)
}

const decodeHead = (body: Uint8Array): ProduceHead | BrokerError => {
  try {
    return decodeProduceHead(body, createProduceHead())
  } catch (error) {
    return isBrokerError(error) ? error : new BrokerError('ERR_INTERNAL')
  }
}
