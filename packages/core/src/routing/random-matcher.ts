/** Random: one of the bindings, each as likely as the other. */
import type { Random } from '../environment/environment.ts'
import type { BoundBinding } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'

export class RandomMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable = false
  readonly isTrivial = true
  workCount = 0
  readonly #random: Random
  readonly #bindings: BoundBinding[] = []

  constructor(random: Random) {
    this.#random = random
  }

  add(bound: BoundBinding): void {
    bound.place = this.#bindings.length
    this.#bindings.push(bound)
  }

  remove(bound: BoundBinding): void {
    const last = this.#bindings.pop()
    if (last === undefined || last === bound) return
    last.place = bound.place
    this.#bindings[bound.place] = last
  }

  match(_routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    const count = this.#bindings.length
    if (count === 0) return
    this.workCount++
    visitor.visit(this.#bindings[this.#random.uint32() % count]!.target)
  }
}
