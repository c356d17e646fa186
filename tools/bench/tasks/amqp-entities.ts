/** Queues, exchanges and bindings for a load, declared without a client library. */
import { readUint32 } from '@millrace/codec'
import { AmqpConnection } from './amqp-connection.ts'
import {
  EMPTY_TABLE,
  type Method,
  methodFrame,
  methods,
  shortText,
  uint16,
  uint8,
} from './amqp-frames.ts'

const PASSIVE = 1
const DURABLE = 2
/** Calls under way at once. */
const TOGETHER = 100

type Call = readonly [request: Method, answer: Method, parts: readonly Uint8Array[]]

/** On a connection of its own, in order. */
const callAll = async (port: number, calls: readonly Call[]): Promise<void> => {
  const connection = await AmqpConnection.open(port)
  try {
    for (let at = 0; at < calls.length; at += TOGETHER) {
      const together = calls.slice(at, at + TOGETHER)
      await Promise.all(
        together.map(([request, answer, parts]) =>
          connection.call(methodFrame(request, parts), answer),
        ),
      )
    }
    await connection.close()
  } finally {
    connection.destroy()
  }
}

const declareCall = (queue: string, flags: number): Call => {
  const parts = [uint16(0), shortText(queue), uint8(flags), EMPTY_TABLE]
  return [methods.queueDeclare, methods.queueDeclareOk, parts]
}

export const declareQueues = (
  port: number,
  queues: readonly string[],
  { isDurable }: { readonly isDurable: boolean } = { isDurable: true },
): Promise<void> =>
  callAll(
    port,
    queues.map((queue) => declareCall(queue, isDurable ? DURABLE : 0)),
  )

export const deleteQueues = (port: number, queues: readonly string[]): Promise<void> =>
  callAll(
    port,
    queues.map((queue) => {
      const parts = [uint16(0), shortText(queue), uint8(0)]
      return [methods.queueDelete, methods.queueDeleteOk, parts]
    }),
  )

/** A durable fanout exchange with all these queues, which are there. */
export const declareFanout = (
  port: number,
  exchange: string,
  queues: readonly string[],
): Promise<void> => {
  const parts = [uint16(0), shortText(exchange), shortText('fanout'), uint8(DURABLE), EMPTY_TABLE]
  const declare: Call = [methods.exchangeDeclare, methods.exchangeDeclareOk, parts]
  const bindings = queues.map((queue): Call => {
    const names = [shortText(queue), shortText(exchange), shortText('')]
    return [methods.queueBind, methods.queueBindOk, [uint16(0), ...names, uint8(0), EMPTY_TABLE]]
  })
  return callAll(port, [declare, ...bindings])
}

export const deleteExchange = (port: number, exchange: string): Promise<void> => {
  const parts = [uint16(0), shortText(exchange), uint8(0)]
  return callAll(port, [[methods.exchangeDelete, methods.exchangeDeleteOk, parts]])
}

/** How many messages wait in a queue, as the broker answers. */
export const countReady = async (port: number, queue: string): Promise<number> => {
  const connection = await AmqpConnection.open(port)
  try {
    const [request, answer, parts] = declareCall(queue, PASSIVE)
    const frame = await connection.call(methodFrame(request, parts), answer)
    // Behind the frame's head, the method and the queue's name.
    const nameBytes = frame[11] ?? 0
    return readUint32(frame, 12 + nameBytes)
  } finally {
    connection.destroy()
  }
}
