/**
 * The bare program that single requests are compared with: it cuts the bytes of a socket into frames
 * and answers each with the same bytes, all answers of a chunk in one write. It keeps nothing.
 */
import { type Socket, createServer } from 'node:net'
import { readUint32, writeUint32 } from '@millrace/codec'
import { FrameSplitter } from './frame-splitter.ts'
import {
  REQUEST_CORRELATION_AT,
  RESPONSE_CORRELATION_AT,
  produceAnswerFor,
} from './kafka-frames.ts'
import type { Report } from './tasks.ts'

export interface ServeAnswersParameters {
  readonly topic: string
  /** Ends when so many have come and gone. */
  readonly connectionCount: number
}

const answerAll = (socket: Socket, answer: Uint8Array): void => {
  let correlations: number[] = []
  const splitter = new FrameSplitter((bytes, at) => {
    correlations.push(readUint32(bytes, at + REQUEST_CORRELATION_AT))
  })
  socket.on('data', (chunk) => {
    splitter.push(chunk)
    const bytes = new Uint8Array(correlations.length * answer.length)
    for (const [index, correlation] of correlations.entries()) {
      bytes.set(answer, index * answer.length)
      writeUint32(bytes, index * answer.length + RESPONSE_CORRELATION_AT, correlation)
    }
    correlations = []
    socket.write(bytes)
  })
}

/** Reports its port. */
export const serveAnswers = (parameters: ServeAnswersParameters, report: Report): Promise<void> =>
  new Promise((resolve, reject) => {
    const answer = produceAnswerFor(parameters.topic)
    let openCount = parameters.connectionCount
    const server = createServer({ noDelay: true }, (socket) => {
      answerAll(socket, answer)
      // Who is done leaves without a farewell.
      socket.on('error', () => undefined)
      socket.on('close', () => {
        openCount -= 1
        if (openCount === 0) server.close(() => resolve())
      })
    })
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => report((server.address() as { port: number }).port))
  })
