import type { AppendCompletion, AppendOperation, EngineSession, TopicHandle } from '@millrace/core'
import { WantedDurability } from '@millrace/protocol'
import { ProduceIntake } from '../../src/native/produce-intake.ts'

const handle = { topic: 't' } as TopicHandle

let isFull: boolean
let accepted: { sequence: number; text: string; isOwned: boolean; durability: string }[]
let written: Uint8Array[]
let events: string[]
let intake: ProduceIntake

beforeEach(() => {
  isFull = false
  accepted = []
  written = []
  events = []
  const append = ({ sequence, bytes, isOwned, durability }: AppendOperation): boolean => {
    if (isFull) return false
    accepted.push({ sequence, text: Buffer.from(bytes).toString(), isOwned, durability })
    return true
  }
  intake = new ProduceIntake({
    engine: { append } as unknown as EngineSession,
    write: (frames) => written.push(frames),
    fail: (error, _channel, correlation) => events.push(`${error.code} ${correlation}`),
    onEngineFull: (full) => events.push(full ? 'full' : 'room'),
    onAnswered: () => undefined,
  })
})

const produce = (correlation: number, bytes: Uint8Array, isOwned = false): void =>
  intake.accept(0, correlation, handle, 0, WantedDurability.TOPIC, bytes, isOwned)

const completionOf = (sequence: number): AppendCompletion => ({
  ...{ sequence, error: undefined, baseOffset: sequence, nextOffset: sequence + 1 },
  ...{ appendTimestamp: -1, epoch: 0, durability: 'persisted', isDuplicate: false },
})

it('keeps a copy of a batch that the engine has no room for, and submits it again', () => {
  isFull = true
  const borrowed = Buffer.from('batch')
  produce(1, borrowed)
  // The buffer is read into again by then.
  borrowed.fill('x')
  intake.onWritable()
  expect([accepted, events]).toEqual([[], ['full']])
  isFull = false
  intake.onWritable()
  expect(accepted).toEqual([{ sequence: 0, text: 'batch', isOwned: true, durability: 'topic' }])
  expect(events).toEqual(['full', 'room'])
  intake.onWritable()
  expect(accepted).toHaveLength(1)
})

it('writes the answers of a completion batch in one piece', () => {
  for (let correlation = 1; correlation <= 5; correlation++) produce(correlation, Buffer.of(1))
  intake.onCompletions([0, 1, 2, 3, 4].map(completionOf), 5)
  expect(written.map(({ length }) => length)).toEqual([5 * 44])
  expect(intake.count).toBe(0)
})

it('ends the connection rather than answer the wrong request', () => {
  produce(1, Buffer.of(1))
  intake.onCompletions([completionOf(7)], 1)
  expect([written, events]).toEqual([[], ['ERR_INTERNAL 0']])
})
