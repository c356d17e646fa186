import type { TopicHandle } from '@millrace/core'
import { HandleTable } from '../../src/native/handle-table.ts'

const topic = (name: string, topicId: number): TopicHandle => ({
  ...{ topicId, generation: topicId, namespace: '/', topic: name },
  ...{ partitionCount: 1, durability: 'persisted' },
})

it('keeps as many topics open as it may, and one more is refused', () => {
  const table = new HandleTable(2)
  table.open(topic('a', 1))
  table.open(topic('b', 2))
  expect(table.open(topic('a', 1)).handle).toBe(1)
  expect(() => table.open(topic('c', 3))).toThrow(/limit of 2/)
})

it('does not spend its room on topics that were deleted and made again', () => {
  const table = new HandleTable(1)
  for (let id = 1; id <= 50; id++) {
    expect(table.open(topic('a', id)).handle).toBe(id)
  }
  expect(table.find(49)).toBeUndefined()
  expect(table.find(50)).toBeDefined()
})
