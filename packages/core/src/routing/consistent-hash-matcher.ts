/**
 * Consistent hash: each message goes to one target, the same for the same routing key (or the same
 * value of a header) while no binding changes. A binding's own key is its weight.
 */
import { BrokerError } from '@millrace/codec'
import { shownName } from '../names.ts'
import type { BoundBinding } from './bound-binding.ts'
import { HashRing } from './hash-ring.ts'
import { HASH_WEIGHT_MAX } from './limits.ts'
import type { Matcher } from './matcher.ts'
import type { RouteTarget, RoutedMessage, TargetVisitor } from './route-target.ts'
import { hashText } from './string-hash.ts'

const DIGITS = /^\d{1,9}$/

/** Throws ERR_INVALID_ARGUMENT. */
export const hashWeight = (routingKey: string): number => {
  const weight = DIGITS.test(routingKey) ? Number(routingKey) : 0
  if (weight >= 1 && weight <= HASH_WEIGHT_MAX) return weight
  const reason = `'${shownName(routingKey)}' is no weight: a whole number from 1 to ${HASH_WEIGHT_MAX}`
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['routingKey', reason])
}

export class ConsistentHashMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable: boolean
  readonly isTrivial = true
  workCount = 0
  readonly #header: string | undefined
  readonly #ring = new HashRing<RouteTarget>()

  constructor(header: string | undefined) {
    this.#header = header
    this.isRepeatable = header === undefined
  }

  add(bound: BoundBinding): void {
    const { binding, target } = bound
    // Not with the weight: who changes that keeps the keys that can stay. Bound twice, the larger counts.
    const name = `${target.kind}/${target.name}`
    bound.place = this.#ring.add(target, name, hashWeight(binding.routingKey))
  }

  remove(bound: BoundBinding): void {
    this.#ring.remove(bound.place)
    bound.place = -1
  }

  match(routingKey: string, message: RoutedMessage, visitor: TargetVisitor): void {
    this.workCount++
    const header = this.#header
    // Messages without the header stay together too.
    const text = header === undefined ? routingKey : (message.matchHeaders().get(header) ?? '')
    const target = this.#ring.find(hashText(text))
    if (target !== undefined) visitor.visit(target)
  }
}
