/** Direct: the routing key is equal. */
import type { BoundBinding } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { TargetList } from './target-list.ts'

export class DirectMatcher implements Matcher {
  readonly isPerKey = true
  readonly isRepeatable = true
  readonly isTrivial = true
  workCount = 0
  readonly #lists = new Map<string, TargetList>()

  add({ binding, target }: BoundBinding): void {
    let list = this.#lists.get(binding.routingKey)
    if (list === undefined) this.#lists.set(binding.routingKey, (list = new TargetList()))
    list.add(target)
  }

  remove({ binding, target }: BoundBinding): void {
    const list = this.#lists.get(binding.routingKey)
    list?.remove(target)
    if (list?.size === 0) this.#lists.delete(binding.routingKey)
  }

  match(routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    this.workCount++
    this.#lists.get(routingKey)?.visitAll(visitor)
  }
}
