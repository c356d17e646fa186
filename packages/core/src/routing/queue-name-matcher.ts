/**
 * The default exchange: the routing key is the name of a queue. It has no bindings, only a lookup, so
 * it knows of a queue from the moment there is one.
 */
import type { Matcher } from './matcher.ts'
import type { RouteTarget, RoutedMessage, TargetVisitor } from './route-target.ts'

export class QueueNameMatcher implements Matcher {
  readonly isPerKey = true
  /** Queues come and go without a change of bindings. */
  readonly isRepeatable = false
  readonly isTrivial = true
  workCount = 0
  readonly #findQueue: (name: string) => RouteTarget | undefined

  constructor(findQueue: (name: string) => RouteTarget | undefined) {
    this.#findQueue = findQueue
  }

  add(): void {
    throw new Error('the default exchange has no bindings')
  }

  remove(): void {
    throw new Error('the default exchange has no bindings')
  }

  match(routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    this.workCount++
    const queue = this.#findQueue(routingKey)
    if (queue !== undefined) visitor.visit(queue)
  }
}
