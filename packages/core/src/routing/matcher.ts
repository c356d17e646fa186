/**
 * What an exchange type is: which of the exchange's bindings a message matches. One file each.
 *
 * Matchers visit targets; they build no arrays and make no closures for a message. They know nothing
 * of other exchanges, of duplicates and of results that are remembered: that is the router's part.
 */
import type { BoundBinding } from './bound-binding.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'

export interface Matcher {
  /** Asked once for each routing key of a message; otherwise once, with the first. */
  readonly isPerKey: boolean
  /** The same routing key leads to the same targets as long as no binding changes. */
  readonly isRepeatable: boolean
  /** A lookup that costs no more than finding a remembered result would. */
  readonly isTrivial: boolean
  /** Nodes, rules and candidates looked at since the beginning: what tests put a bound on. */
  readonly workCount: number

  add(bound: BoundBinding): void
  remove(bound: BoundBinding): void
  match(routingKey: string, message: RoutedMessage, visitor: TargetVisitor): void
}
