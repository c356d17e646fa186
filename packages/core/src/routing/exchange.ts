/**
 * An exchange: its settings, its bindings as a source, and the matcher that its type is.
 *
 * It is a target too, of other exchanges. What a change means for other exchanges and for remembered
 * results is the table's business; change bindings through that.
 */
import type { Binding, ExchangeSettings } from '../engine/messaging.ts'
import { type BoundBinding, identityOf } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { Route } from './route-cache.ts'
import type { KeepingTarget, RouteTarget, RoutedMessage, TargetVisitor } from './route-target.ts'
import { hashText } from './string-hash.ts'

export interface ExchangeOptions {
  /** Of its stored definition; 0 when it is not stored. */
  readonly id: number
  readonly name: string
  readonly settings: ExchangeSettings
  readonly isPredeclared: boolean
  readonly matcher: Matcher
}

export class Exchange implements RouteTarget {
  readonly kind = 'exchange'
  readonly id: number
  readonly name: string
  readonly settings: ExchangeSettings
  readonly isPredeclared: boolean
  readonly matcher: Matcher
  visitedBy = 0
  /** Remembered results by routing key; `RouteCache` keeps them. */
  routes: Map<string, Route> | undefined = undefined
  /** Tells its keys from those of other exchanges. */
  readonly seed: number
  /** It was removed: whoever still holds it looks it up again. */
  isDeleted = false
  /** Of a delayed exchange: where a message goes that asks for a delay. */
  keeping: KeepingTarget | undefined = undefined
  readonly #bindings = new Map<string, BoundBinding>()
  #exchangeTargetCount = 0

  constructor(options: ExchangeOptions) {
    this.id = options.id
    this.name = options.name
    this.settings = options.settings
    this.isPredeclared = options.isPredeclared
    this.matcher = options.matcher
    this.seed = hashText(options.name)
  }

  get isDurable(): boolean {
    return this.settings.isDurable
  }

  get bindingCount(): number {
    return this.#bindings.size
  }

  /** Finding targets anew costs no more than remembering them: one lookup, in this exchange alone. */
  get isTrivial(): boolean {
    const { alternateExchange } = this.settings
    const isAlone = this.#exchangeTargetCount === 0 && alternateExchange === undefined
    return isAlone && this.matcher.isTrivial
  }

  /** Those that it is the source of. */
  bindings(): Iterable<BoundBinding> {
    return this.#bindings.values()
  }

  findBinding(binding: Binding): BoundBinding | undefined {
    return this.#bindings.get(identityOf(binding))
  }

  /** Whether an equal one is in force. */
  hasBinding({ identity }: BoundBinding): boolean {
    return this.#bindings.has(identity)
  }

  addBinding(bound: BoundBinding): void {
    this.matcher.add(bound)
    this.#bindings.set(bound.identity, bound)
    if (bound.target.kind === 'exchange') this.#exchangeTargetCount++
  }

  removeBinding(bound: BoundBinding): void {
    if (!this.#bindings.delete(bound.identity)) return
    this.matcher.remove(bound)
    if (bound.target.kind === 'exchange') this.#exchangeTargetCount--
  }

  match(message: RoutedMessage, visitor: TargetVisitor): void {
    const { routingKey, extraRoutingKeys } = message
    this.matcher.match(routingKey, message, visitor)
    if (extraRoutingKeys === undefined || !this.matcher.isPerKey) return
    for (let index = 0; index < extraRoutingKeys.length; index++)
      this.matcher.match(extraRoutingKeys[index]!, message, visitor)
  }
}
