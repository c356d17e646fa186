import { ConsumerLine } from '../../src/queue/consumer-line.ts'
import type { QueueConsumer } from '../../src/queue/queue-consumer.ts'

interface Fake {
  name: string
  options: { priority: number }
  isInLine: boolean
  canTake: boolean
}

const fake = (name: string, priority = 0): Fake => ({
  name,
  options: { priority },
  isInLine: false,
  canTake: true,
})

const lineOf = (...consumers: Fake[]): ConsumerLine => {
  const line = new ConsumerLine()
  for (const each of consumers) line.add(each as unknown as QueueConsumer)
  return line
}

/** Serves so many messages, each consumer going to the end of its line while it can take more. */
const serve = (line: ConsumerLine, count: number, only?: Fake) =>
  Array.from({ length: count }, () => {
    const next = line.next(only as unknown as QueueConsumer | undefined) as unknown as
      Fake | undefined
    if (next?.canTake === true) line.add(next as unknown as QueueConsumer)
    return next?.name
  })

describe('a line of consumers', () => {
  it('serves each in turn', () => {
    expect(serve(lineOf(fake('a'), fake('b'), fake('c')), 7).join('')).toBe('abcabca')
  })

  it('serves a higher priority first while that can take more', () => {
    const high = fake('h', 5)
    const line = lineOf(fake('a'), high, fake('b'))
    expect(serve(line, 3).join('')).toBe('hhh')
    high.canTake = false
    expect(serve(line, 4).join('')).toBe('abab')
    high.canTake = true
    line.add(high as unknown as QueueConsumer)
    expect(serve(line, 2).join('')).toBe('hh')
  })

  it('passes over who cannot take or may not, and has each once', () => {
    const full = fake('f')
    full.canTake = false
    const only = fake('a')
    const line = lineOf(full, fake('b'), only)
    line.add({ ...fake('x'), isInLine: true } as unknown as QueueConsumer)
    expect(serve(line, 3, only)).toEqual(['a', 'a', 'a'])
    expect(full.isInLine).toBe(false)
    expect(serve(lineOf(full), 1)).toEqual([undefined])
  })
})
