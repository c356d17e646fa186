/**
 * The way of one message through exchanges: from the first to those that bindings and alternate
 * exchanges lead to, each entered once, so that circles end. One walk object serves all messages of
 * a namespace; marks on the targets tell what this message has reached.
 *
 * What a walk finds is put on a stack, not visited: whoever is visited may route another message
 * before this one is done (a queue that is full dead-letters), which then stacks its own on top.
 */
import { delayOf } from './delay.ts'
import type { Exchange } from './exchange.ts'
import type { RouteTarget, RoutedMessage, TargetVisitor } from './route-target.ts'

/** A stack that grew beyond this is given back when it is empty. */
const KEPT_TARGETS_MAX = 4_096

export class RouteWalk implements TargetVisitor {
  readonly #findExchange: (name: string) => Exchange | undefined
  #found: (RouteTarget | undefined)[] = []
  #foundCount = 0
  /** Exchanges that were entered and are still to be matched. */
  readonly #entered: (Exchange | undefined)[] = []
  /** Counted by hand: an array that is emptied gives its room back, and takes it anew. */
  #enteredCount = 0
  #mark = 0
  #hasMatched = false
  #isRepeatable = false
  /** Of the message under way; `undefined` until a delayed exchange asks. */
  #delayMs: number | undefined = undefined
  #keptMs = 0

  constructor(findExchange: (name: string) => Exchange | undefined) {
    this.#findExchange = findExchange
  }

  get foundCount(): number {
    return this.#foundCount
  }

  /** Whether the last walk depended on nothing but the routing key and the bindings. */
  get isRepeatable(): boolean {
    return this.#isRepeatable
  }

  /** How long the message of the last walk is to be kept; 0 when nothing on the way keeps it. */
  get keptMs(): number {
    return this.#keptMs
  }

  /** Puts what the message reaches on the stack. `release` afterwards. */
  run(exchange: Exchange, message: RoutedMessage): void {
    this.#mark++
    this.#isRepeatable = true
    this.#delayMs = undefined
    this.#keptMs = 0
    // A walk that failed, over headers that could not be read, may have left some.
    this.#enteredCount = 0
    this.#enter(exchange)
    while (this.#enteredCount > 0) {
      const next = this.#entered[--this.#enteredCount]!
      this.#entered[this.#enteredCount] = undefined
      if (next.keeping !== undefined && this.#isKept(next.keeping, message)) continue
      this.#hasMatched = false
      next.match(message, this)
      this.#isRepeatable = this.#isRepeatable && next.matcher.isRepeatable
      if (!this.#hasMatched) this.#takeAlternate(next.settings.alternateExchange)
    }
  }

  visit(target: RouteTarget): void {
    this.#hasMatched = true
    if (target.visitedBy === this.#mark) return
    if (target.kind === 'exchange') return this.#enter(target as Exchange)
    target.visitedBy = this.#mark
    this.#found[this.#foundCount++] = target
  }

  targetAt(index: number): RouteTarget {
    return this.#found[index]!
  }

  /** A copy, to be remembered. */
  foundFrom(start: number): RouteTarget[] {
    return this.#found.slice(start, this.#foundCount) as RouteTarget[]
  }

  /** Takes everything from `start` on off the stack. Nothing that is gone is held by it. */
  release(start: number): void {
    for (let index = start; index < this.#foundCount; index++) this.#found[index] = undefined
    this.#foundCount = start
    if (start === 0 && this.#found.length > KEPT_TARGETS_MAX) this.#found = []
  }

  #enter(exchange: Exchange): void {
    if (exchange.visitedBy === this.#mark) return
    exchange.visitedBy = this.#mark
    this.#entered[this.#enteredCount++] = exchange
  }

  /** With a delay it goes no further than here. Results depend on more than the routing key. */
  #isKept(keeping: RouteTarget, message: RoutedMessage): boolean {
    this.#isRepeatable = false
    if (message.isReleased === true) return false
    this.#delayMs ??= delayOf(message)
    if (this.#delayMs <= 0) return false
    this.#keptMs = this.#delayMs
    this.visit(keeping)
    return true
  }

  #takeAlternate(name: string | undefined): void {
    const alternate = name === undefined ? undefined : this.#findExchange(name)
    if (alternate !== undefined) this.#enter(alternate)
  }
}
