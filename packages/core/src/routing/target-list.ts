/**
 * Targets, each of them once, however many bindings put it there: it goes when the last of them does.
 *
 * The order is no promise: the last takes the place of one that goes. Most lists, one a routing key,
 * have a single target, and are to be small: a list of one is an array of one.
 */
import type { RouteTarget, TargetVisitor } from './route-target.ts'

/** From so many on, places are looked up in a map instead of by looking through the list. */
const INDEXED_COUNT_MIN = 16

export class TargetList {
  #targets: RouteTarget[] = []
  /** How many bindings have put the target of the same place here; `undefined` while each is one. */
  #counts: number[] | undefined = undefined
  #places: Map<RouteTarget, number> | undefined = undefined

  get size(): number {
    return this.#targets.length
  }

  add(target: RouteTarget): void {
    const place = this.#placeOf(target)
    if (place >= 0) {
      this.#counts ??= this.#targets.map(() => 1)
      this.#counts[place]! += 1
      return
    }
    this.#places?.set(target, this.#targets.length)
    // An array that grows takes room for sixteen more.
    if (this.#targets.length === 0) this.#targets = [target]
    else this.#targets.push(target)
    this.#counts?.push(1)
    if (this.#targets.length === INDEXED_COUNT_MIN)
      this.#places = new Map(this.#targets.map((one, index) => [one, index]))
  }

  remove(target: RouteTarget): void {
    const place = this.#placeOf(target)
    if (place < 0) return
    const countLeft = (this.#counts?.[place] ?? 1) - 1
    if (countLeft === 0) this.#drop(place, target)
    else this.#counts![place] = countLeft
  }

  visitAll(visitor: TargetVisitor): void {
    const targets = this.#targets
    for (let index = 0; index < targets.length; index++) visitor.visit(targets[index]!)
  }

  #placeOf(target: RouteTarget): number {
    if (this.#places === undefined) return this.#targets.indexOf(target)
    return this.#places.get(target) ?? -1
  }

  #drop(place: number, target: RouteTarget): void {
    const last = this.#targets.pop()!
    const count = this.#counts?.pop()
    this.#places?.delete(target)
    if (last === target) return
    this.#targets[place] = last
    if (count !== undefined) this.#counts![place] = count
    this.#places?.set(last, place)
  }
}
