/** Where routes lead, what is routed, and who is told: the words that matchers and router share. */
import type { MessageSource, TargetKind } from '../engine/messaging.ts'

/** A queue, a topic or an exchange. It belongs to one namespace. */
export interface RouteTarget {
  readonly kind: TargetKind
  readonly name: string
  readonly isDurable: boolean
  /**
   * The router's mark: the number of the last message that led here. It spares a set per message.
   * Begin with 0, and leave it alone.
   */
  visitedBy: number
}

/** The part of a message that routing looks at. */
export type RoutedMessage = Pick<
  MessageSource,
  'routingKey' | 'extraRoutingKeys' | 'matchHeaders' | 'neutralHeaders'
> & {
  /** A delayed exchange has kept it already: none does again. */
  readonly isReleased?: true | undefined
}

/** Where a delayed exchange keeps what is not due yet. Nobody binds to it or consumes from it. */
export interface KeepingTarget extends RouteTarget {
  /** Kept at the moment. */
  readonly readyCount: number
}

/** Told of each match by a matcher; the same target may come several times. */
export interface TargetVisitor {
  visit(target: RouteTarget): void
}
