/**
 * What exchanges, bindings and queues there are, by what the broker has acknowledged. Of a change that
 * nobody heard the outcome of either may be true, until the next start tells.
 */
import type { Binding } from '@millrace/core'
import type { QueueModel } from './queue-model.ts'
import { VIEW_QUEUE, exchangeTypes, matchesPattern } from './topology.ts'

export type Standing = 'there' | 'adding' | 'removing'

export interface Definition {
  standing: Standing
}

export interface BindingModel extends Definition {
  readonly binding: Binding
}

export interface QueueDefinition extends Definition {
  readonly queue: QueueModel
  /** Settings that were asked for and not answered. */
  pendingSettings: QueueModel['settings'] | undefined
}

/** Where a message goes for sure, and where it may go. */
export interface Route {
  readonly certain: Set<QueueModel>
  readonly possible: Set<QueueModel>
  /** Topics that it goes to for sure. */
  topicCount: number
  isUnsure: boolean
}

export const bindingKey = ({ exchange, targetKind, target, routingKey }: Binding): string =>
  `${exchange}|${targetKind}|${target}|${routingKey}`

export class Definitions {
  readonly queues = new Map<string, QueueDefinition>()
  readonly exchanges = new Map<string, Definition>()
  readonly bindings = new Map<string, BindingModel>()

  isThere(kind: 'queue' | 'topic' | 'exchange', name: string): boolean {
    if (kind === 'topic') return true
    const known = kind === 'queue' ? this.queues.get(name) : this.exchanges.get(name)
    return known?.standing === 'there'
  }

  /** Something of it is being changed, or was when nobody heard of it any more. */
  isPending(name: string): boolean {
    const standings = [this.queues.get(name)?.standing, this.exchanges.get(name)?.standing]
    return standings.some((standing) => standing === 'adding' || standing === 'removing')
  }

  /** Bindings that go when this goes. */
  bindingsOf(kind: 'queue' | 'exchange', name: string): BindingModel[] {
    return [...this.bindings.values()].filter(({ binding }) => {
      const isTarget = binding.targetKind === kind && binding.target === name
      return isTarget || (kind === 'exchange' && binding.exchange === name)
    })
  }

  route(exchange: string, routingKey: string): Route {
    const route: Route = { certain: new Set(), possible: new Set(), topicCount: 0, isUnsure: false }
    if (exchange === '') this.#reach(route, 'queue', routingKey, true)
    else this.#through(route, exchange, routingKey, true, new Set())
    for (const queue of route.certain) route.possible.delete(queue)
    route.isUnsure ||= route.possible.size > 0
    return route
  }

  #through(
    route: Route,
    exchange: string,
    routingKey: string,
    isCertain: boolean,
    visited: Set<string>,
  ): void {
    const known = this.exchanges.get(exchange)
    if (known === undefined || visited.has(exchange)) return
    visited.add(exchange)
    for (const { binding, standing } of this.bindings.values()) {
      if (binding.exchange !== exchange || !matches(binding, routingKey)) continue
      const isSure = isCertain && standing === 'there' && known.standing === 'there'
      const { targetKind, target } = binding
      if (targetKind === 'exchange') this.#through(route, target, routingKey, isSure, visited)
      else this.#reach(route, targetKind, target, isSure)
    }
  }

  #reach(route: Route, kind: 'queue' | 'topic', name: string, isCertain: boolean): void {
    if (kind === 'topic') {
      if (isCertain) route.topicCount++
      else route.isUnsure = true
    }
    const queueName = kind === 'topic' ? VIEW_QUEUE : name
    const known = this.queues.get(queueName)
    if (known === undefined) return
    const isSure = isCertain && known.standing === 'there'
    if (isSure) route.certain.add(known.queue)
    else route.possible.add(known.queue)
  }
}

const matches = ({ exchange, routingKey }: Binding, key: string): boolean => {
  const type = exchangeTypes.get(exchange)
  if (type === 'fanout') return true
  if (type === 'topic') return matchesPattern(routingKey.split('.'), key.split('.'))
  return routingKey === key
}
