/**
 * Topic: the binding's key is a pattern of words. Keys without wildcards are in a map, as a direct
 * exchange has them, so that only patterns are followed word by word.
 */
import type { BoundBinding } from './bound-binding.ts'
import { DirectMatcher } from './direct-matcher.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { TopicTrie } from './topic-trie.ts'

const WILDCARD = /(^|\.)[*#](\.|$)/

export class TopicMatcher implements Matcher {
  readonly isPerKey = true
  readonly isRepeatable = true
  readonly isTrivial = false
  readonly #literals = new DirectMatcher()
  readonly #patterns = new TopicTrie()

  get workCount(): number {
    return this.#literals.workCount + this.#patterns.workCount
  }

  add(bound: BoundBinding): void {
    const { routingKey } = bound.binding
    if (WILDCARD.test(routingKey)) this.#patterns.add(routingKey, bound.target)
    else this.#literals.add(bound)
  }

  remove(bound: BoundBinding): void {
    const { routingKey } = bound.binding
    if (WILDCARD.test(routingKey)) this.#patterns.remove(routingKey, bound.target)
    else this.#literals.remove(bound)
  }

  match(routingKey: string, message: RoutedMessage, visitor: TargetVisitor): void {
    this.#literals.match(routingKey, message, visitor)
    if (!this.#patterns.isEmpty) this.#patterns.match(routingKey, visitor)
  }
}
