/** InitProducerId: always a new id; a producer that asks with an old one starts afresh. */
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import {
  asAnswerable,
  KafkaError,
  kafkaErrorOfCluster,
  transactionsUnsupported,
} from '../errors.ts'
import { initProducerId, type InitProducerIdResponse } from '../schema/apis/init-producer-id.ts'

const failed = (errorCode: number): InitProducerIdResponse => ({
  throttleTimeMs: 0,
  errorCode,
  producerId: -1,
  producerEpoch: -1,
})

export const initProducerIdHandler: AnyControlHandler = controlHandler({
  api: initProducerId,
  run: async (session, { transactionalId }) => {
    try {
      if (transactionalId !== null) throw transactionsUnsupported()
      const { producerId, epoch } = await session.services.broker.initProducer(session.open.caller)
      const errorCode = KafkaError.NONE
      return { throttleTimeMs: 0, errorCode, producerId, producerEpoch: epoch }
    } catch (error) {
      return failed(kafkaErrorOfCluster(asAnswerable(error)))
    }
  },
})
