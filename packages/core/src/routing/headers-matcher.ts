/**
 * Headers: a binding asks for headers, all of them or any, with their values or only their presence.
 *
 * Bindings that ask for the same are one rule. A rule that asks for any header is found under each of
 * them; one that asks for all is found under the one with the fewest rules below it at that time, and
 * then looked at whole. So a message costs its headers and the rules below those, not all bindings.
 *
 * A binding that asks for nothing matches everything with `all` and nothing with `any`.
 */
import type { Binding } from '../engine/messaging.ts'
import { type BoundBinding, sortedEntries } from './bound-binding.ts'
import type { Matcher } from './matcher.ts'
import type { RoutedMessage, TargetVisitor } from './route-target.ts'
import { TargetList } from './target-list.ts'

/** Name and value; `null` for any value. */
type Condition = readonly [string, string | null]

class HeaderRule {
  readonly identity: string
  readonly isAll: boolean
  readonly conditions: readonly Condition[]
  readonly targets = new TargetList()
  /** Those that it is found under. */
  buckets: Set<HeaderRule>[] = []
  /** The match that has looked at this rule last. */
  mark = 0

  constructor(identity: string, isAll: boolean, conditions: readonly Condition[]) {
    this.identity = identity
    this.isAll = isAll
    this.conditions = conditions
  }

  accepts(headers: ReadonlyMap<string, string>): boolean {
    for (const [name, wanted] of this.conditions) {
      const value = headers.get(name)
      if (value === undefined || (wanted !== null && value !== wanted)) return false
    }
    return true
  }
}

/** Rules to be found by one header. */
class HeaderIndex {
  readonly byValue = new Map<string, Set<HeaderRule>>()
  readonly byPresence = new Set<HeaderRule>()

  bucket(wanted: string | null): Set<HeaderRule> {
    if (wanted === null) return this.byPresence
    let bucket = this.byValue.get(wanted)
    if (bucket === undefined) this.byValue.set(wanted, (bucket = new Set()))
    return bucket
  }

  sizeOf(wanted: string | null): number {
    if (wanted === null) return this.byPresence.size
    return this.byValue.get(wanted)?.size ?? 0
  }

  get isEmpty(): boolean {
    return this.byPresence.size === 0 && this.byValue.size === 0
  }
}

export class HeadersMatcher implements Matcher {
  readonly isPerKey = false
  readonly isRepeatable = false
  readonly isTrivial = false
  workCount = 0
  readonly #rules = new Map<string, HeaderRule>()
  readonly #indexes = new Map<string, HeaderIndex>()
  readonly #unconditional = new TargetList()
  #match = 0

  add({ binding, target }: BoundBinding): void {
    const isAll = asksForAll(binding)
    const conditions = conditionsOf(binding)
    if (conditions.length === 0) {
      if (isAll) this.#unconditional.add(target)
      return
    }
    const identity = JSON.stringify([isAll, conditions])
    let rule = this.#rules.get(identity)
    if (rule === undefined) this.#rules.set(identity, (rule = this.#addRule(identity, binding)))
    rule.targets.add(target)
  }

  remove({ binding, target }: BoundBinding): void {
    const isAll = asksForAll(binding)
    const conditions = conditionsOf(binding)
    if (conditions.length === 0) {
      if (isAll) this.#unconditional.remove(target)
      return
    }
    const rule = this.#rules.get(JSON.stringify([isAll, conditions]))
    rule?.targets.remove(target)
    if (rule?.targets.size === 0) this.#removeRule(rule)
  }

  match(_routingKey: string, message: RoutedMessage, visitor: TargetVisitor): void {
    this.#unconditional.visitAll(visitor)
    if (this.#indexes.size === 0) return
    const headers = message.matchHeaders()
    this.#match++
    // Whichever is shorter: a message may have thousands of headers, and bindings may ask for few.
    if (headers.size <= this.#indexes.size)
      for (const name of headers.keys()) this.#look(name, headers, visitor)
    else for (const name of this.#indexes.keys()) this.#look(name, headers, visitor)
  }

  #look(name: string, headers: ReadonlyMap<string, string>, visitor: TargetVisitor): void {
    this.workCount++
    const index = this.#indexes.get(name)
    const value = headers.get(name)
    if (index === undefined || value === undefined) return
    const equal = index.byValue.get(value)
    if (equal !== undefined) this.#lookAt(equal, headers, visitor)
    if (index.byPresence.size > 0) this.#lookAt(index.byPresence, headers, visitor)
  }

  #lookAt(
    rules: ReadonlySet<HeaderRule>,
    headers: ReadonlyMap<string, string>,
    visitor: TargetVisitor,
  ): void {
    for (const rule of rules) {
      this.workCount++
      if (rule.mark === this.#match) continue
      rule.mark = this.#match
      if (!rule.isAll || rule.accepts(headers)) rule.targets.visitAll(visitor)
    }
  }

  #addRule(identity: string, binding: Binding): HeaderRule {
    const rule = new HeaderRule(identity, asksForAll(binding), conditionsOf(binding))
    const found = rule.isAll ? [this.#rarest(rule.conditions)] : rule.conditions
    for (const [name, wanted] of found) {
      let index = this.#indexes.get(name)
      if (index === undefined) this.#indexes.set(name, (index = new HeaderIndex()))
      const bucket = index.bucket(wanted)
      bucket.add(rule)
      rule.buckets.push(bucket)
    }
    return rule
  }

  #removeRule(rule: HeaderRule): void {
    this.#rules.delete(rule.identity)
    for (const bucket of rule.buckets) bucket.delete(rule)
    for (const [name, wanted] of rule.conditions) {
      const index = this.#indexes.get(name)
      if (index === undefined) continue
      if (wanted !== null && index.byValue.get(wanted)?.size === 0) index.byValue.delete(wanted)
      if (index.isEmpty) this.#indexes.delete(name)
    }
  }

  /** The condition with the fewest rules below it; of equals, one that names a value. */
  #rarest(conditions: readonly Condition[]): Condition {
    let rarest = conditions[0]!
    let fewest = Infinity
    for (const condition of conditions) {
      const [name, wanted] = condition
      const size = this.#indexes.get(name)?.sizeOf(wanted) ?? 0
      if (size > fewest || (size === fewest && wanted === null)) continue
      rarest = condition
      fewest = size
    }
    return rarest
  }
}

const asksForAll = ({ match }: Binding): boolean => match !== 'any' && match !== 'any-with-x'

const conditionsOf = ({ match, headers }: Binding): Condition[] => {
  const entries = sortedEntries(headers)
  const countsAll = match === 'all-with-x' || match === 'any-with-x'
  return countsAll ? entries : entries.filter(([name]) => !name.startsWith('x-'))
}
