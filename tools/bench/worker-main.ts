/** A process of the bench that does one task at a time, as `Worker` orders. Ends with its parent. */
import { type Answer, type Order, runTask } from './tasks/tasks.ts'

const answer = (message: Answer): void => {
  process.send?.(message)
}

const serve = async ({ id, name, parameters }: Order): Promise<void> => {
  try {
    const result = await runTask(name, parameters, (progress) => answer({ id, progress }))
    answer({ id, result })
  } catch (error) {
    answer({ id, failure: String((error as Error).stack ?? error) })
  }
}

process.on('message', (order: Order) => void serve(order))
process.on('disconnect', () => process.exit(0))
// Whoever interrupts the bench reaches all its processes: the parent ends this one in its turn.
process.on('SIGINT', () => undefined)
