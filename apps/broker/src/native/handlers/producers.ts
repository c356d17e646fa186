/** INIT_PRODUCER: a number for an idempotent producer. */
import {
  decodeInitProducer,
  encodeProducerInitialized,
  Opcode,
  type ProducerInitialized,
} from '@millrace/protocol'
import { controlHandler } from '../control-request.ts'

export const handleInitProducer = controlHandler({
  decode: decodeInitProducer,
  answerOpcode: Opcode.PRODUCER_INITIALIZED,
  encode: encodeProducerInitialized,
  run: async (session): Promise<ProducerInitialized> => {
    const { broker } = session.services
    const { producerId, epoch } = await broker.initProducer(session.open.caller)
    return { producer: producerId, epoch }
  },
})
