/**
 * Modulus hash: the hash of the routing key, modulo the number of bindings. All bindings are equal, in
 * an order that their names give, so that a restart changes nothing. A message has one target, whatever
 * other keys it has.
 */
import { type BoundBinding, identityOf } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { hashText } from './string-hash.ts'

interface Ordered {
  readonly name: string
  readonly bound: BoundBinding
}

export class ModulusHashMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable = true
  readonly isTrivial = true
  workCount = 0
  readonly #bindings = new Map<BoundBinding, Ordered>()
  /** Put in order by the first message after a change, not by each of thousands of changes. */
  #ordered: Ordered[] | undefined = []

  add(bound: BoundBinding): void {
    this.#bindings.set(bound, { name: identityOf(bound.binding), bound })
    this.#ordered = undefined
  }

  remove(bound: BoundBinding): void {
    this.#bindings.delete(bound)
    this.#ordered = undefined
  }

  match(routingKey: string, _message: RoutedMessage, visitor: TargetVisitor): void {
    this.#ordered ??= [...this.#bindings.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const count = this.#ordered.length
    if (count === 0) return
    this.workCount++
    visitor.visit(this.#ordered[hashText(routingKey) % count]!.bound.target)
  }
}
