/** Requests that ask for no answer, whatever happens. */
import { type Frame, isSilentPublish, Opcode } from '@millrace/protocol'
import { isSilentProduce } from './handlers/produce.ts'

export const isSilent = (frame: Frame): boolean =>
  isSilentProduce(frame) || (frame.opcode === Opcode.PUBLISH && isSilentPublish(frame.body))
