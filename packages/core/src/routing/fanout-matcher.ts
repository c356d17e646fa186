/** Fanout: every binding matches. */
import type { BoundBinding } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { TargetList } from './target-list.ts'

export class FanoutMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable = true
  readonly isTrivial = true
  workCount = 0
  readonly #list = new TargetList()

  add({ target }: BoundBinding): void {
    this.#list.add(target)
  }

  remove({ target }: BoundBinding): void {
    this.#list.remove(target)
  }

  match(_routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    this.workCount++
    this.#list.visitAll(visitor)
  }
}
