/**
 * Modulus hash: the hash of the routing key, modulo the number of bindings. All bindings are equal, in
 * an order that their names give, so that a restart changes nothing. A message has one target, whatever
 * other keys it has.
 */
import type { BoundBinding } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { hashText } from './string-hash.ts'

export class ModulusHashMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable = true
  readonly isTrivial = true
  workCount = 0
  readonly #bindings = new Set<BoundBinding>()
  /** Put in order by the first message after a change, not by each of thousands of changes. */
  #ordered: BoundBinding[] | undefined = []

  add(bound: BoundBinding): void {
    this.#bindings.add(bound)
    this.#ordered = undefined
  }

  remove(bound: BoundBinding): void {
    this.#bindings.delete(bound)
    this.#ordered = undefined
  }

  match(routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    this.#ordered ??= [...this.#bindings].sort((a, b) => (a.identity < b.identity ? -1 : 1))
    const count = this.#ordered.length
    if (count === 0) return
    this.workCount++
    visitor.visit(this.#ordered[hashText(routingKey) % count]!.target)
  }
}
