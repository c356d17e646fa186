import type { Cancellable, EngineSession, FetchOperation, ReadResult } from '@millrace/core'
import { FETCH_BYTES_MIN } from '../../src/limits.ts'
import { FetchQueue } from '../../src/native/fetch-queue.ts'
import { FrameOutput } from '../../src/native/frame-output.ts'
import { MemoryBudget } from '../../src/net/memory-budget.ts'
import { RecordingConnection } from '../support/recording-connection.ts'

const RESERVE = 1 << 20

interface Asked {
  readonly operation: FetchOperation
  readonly done: (result: ReadResult) => void
}

let asked: Asked[]
let queue: FetchQueue
let connection: RecordingConnection

beforeEach(() => {
  asked = []
  connection = new RecordingConnection()
  const fetch = (operation: FetchOperation, done: Asked['done']): Cancellable => {
    asked.push({ operation, done })
    return { cancel: () => undefined }
  }
  const output = new FrameOutput(connection, 1 << 16, {
    outboundBytesMax: 1 << 20,
    memory: new MemoryBudget(1 << 30),
    onOverflow: () => undefined,
    onBlocked: () => undefined,
    onBodySent: () => false,
  })
  queue = new FetchQueue({
    engine: { fetch } as unknown as EngineSession,
    output,
    reserveBytesMax: RESERVE,
    fail: () => undefined,
    onAnswered: () => undefined,
  })
})

const add = (bytesMax: number, bytesMin = 1): void =>
  queue.add(0, asked.length + 1, {
    ...{ handle: {} as never, partition: 0, offset: 0 },
    ...{ bytesMax, bytesMin, waitMsMax: 1_000 },
  })

const empty: ReadResult = {
  ...{ error: undefined, highWatermark: 0, earliestOffset: 0, nextOffset: 0, epoch: 0 },
  lease: undefined,
}

it('gives a fetch what it asks for until the reserve is spent, and a little after that', () => {
  add(RESERVE - 100_000)
  add(RESERVE)
  add(RESERVE, RESERVE)
  const allotted = asked.map(({ operation }) => operation.bytesMax)
  expect(allotted).toEqual([RESERVE - 100_000, 100_000, FETCH_BYTES_MIN])
  // It would wait for ever for more than it can get.
  expect(asked[2]?.operation.bytesMin).toBe(FETCH_BYTES_MIN)
})

it('has the reserve back when a fetch is answered', () => {
  add(RESERVE)
  asked[0]?.done(empty)
  expect([queue.count, queue.reservedBytes]).toEqual([0, 0])
  add(RESERVE)
  expect(asked[1]?.operation.bytesMax).toBe(RESERVE)
})

it('asks again for what there is now when it is told to hurry, and answers once', () => {
  add(1_000, 500)
  queue.hurry()
  expect(asked[1]?.operation).toMatchObject({ bytesMin: 0, waitMsMax: 0, bytesMax: 1_000 })
  asked[1]?.done(empty)
  asked[0]?.done(empty)
  expect(connection.frames).toHaveLength(1)
})
