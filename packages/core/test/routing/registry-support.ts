/** A registry of exchanges over the metadata of a simulated world, with queues and topics by hand. */
import { isBrokerError } from '@millrace/codec'
import type { Binding, ExchangeSettings, TargetKind } from '../../src/engine/messaging.ts'
import { MetadataStore } from '../../src/meta/metadata-store.ts'
import { ExchangeRegistry } from '../../src/routing/exchange-registry.ts'
import type { RouteTarget } from '../../src/routing/route-target.ts'
import { DIRECTORY, newWorld } from '../support/node.ts'
import { StoreBench } from '../support/store.ts'
import { messageOf, targetNamed } from './support.ts'

export const bindingOf = (
  exchange: string,
  target: string,
  rest: Partial<Binding> = {},
): Binding => ({ exchange, targetKind: 'queue', target, routingKey: '', ...rest })

/** `namespace kind name` of each target there is; a name that begins with `temporary` is transient. */
export type Ends = Iterable<string>

export const ends = (...names: readonly string[]): string[] =>
  names.map((name) => `/ queue ${name}`)

export interface RegistryLimits {
  readonly exchangesCountMax?: number
  readonly bindingsCountMax?: number
}

export class RegistryBench {
  readonly bench: StoreBench
  readonly metadata: MetadataStore
  readonly registry: ExchangeRegistry
  readonly targets = new Map<string, RouteTarget>()
  /** Changes of the metadata that were committed. */
  commitCount = 0

  private constructor(
    bench: StoreBench,
    metadata: MetadataStore,
    names: Ends,
    limits: RegistryLimits,
  ) {
    this.bench = bench
    this.metadata = metadata
    for (const name of names) this.addTarget(name)
    this.registry = new ExchangeRegistry({
      environment: bench.environment,
      metadata: {
        entries: (prefix) => metadata.entries(prefix),
        get: (key) => metadata.get(key),
        change: (work) =>
          metadata.change((commit) =>
            work((changes) => {
              this.commitCount++
              return commit(changes)
            }),
          ),
      },
      resolve: (namespace, kind, name) => this.targets.get(`${namespace} ${kind} ${name}`),
      queueNames: (namespace) => this.#queueNames(namespace),
      ...limits,
    })
  }

  static async open(
    world = newWorld(),
    names: Ends = [],
    limits: RegistryLimits = {},
  ): Promise<RegistryBench> {
    const bench = await StoreBench.open(world)
    const opening = MetadataStore.open(DIRECTORY, bench.environment, bench.store)
    return new RegistryBench(bench, await bench.run(opening), names, limits)
  }

  get world(): StoreBench['world'] {
    return this.bench.world
  }

  /** What the same directory holds after a power loss. */
  reopen(names: Ends = this.targets.keys()): Promise<RegistryBench> {
    this.world.losePower()
    return RegistryBench.open(this.world, names)
  }

  addTarget(key: string): RouteTarget {
    const [namespace = '', kind = '', ...name] = key.split(' ')
    const text = name.join(' ')
    const target = targetNamed(text, kind as TargetKind, !text.startsWith('temporary'))
    this.targets.set(`${namespace} ${kind} ${text}`, target)
    return target
  }

  target(name: string): RouteTarget {
    return this.targets.get(`/ queue ${name}`)!
  }

  declare(name: string, settings: Partial<ExchangeSettings> = {}, namespace = '/') {
    return this.bench.run(this.registry.declare(namespace, name, settings))
  }

  bind(exchange: string, target: string, rest: Partial<Binding> = {}, namespace = '/') {
    return this.bench.run(this.registry.bind(namespace, bindingOf(exchange, target, rest)))
  }

  unbind(exchange: string, target: string, rest: Partial<Binding> = {}, namespace = '/') {
    return this.bench.run(this.registry.unbind(namespace, bindingOf(exchange, target, rest)))
  }

  delete(name: string, isIfUnused = false) {
    return this.bench.run(this.registry.delete('/', name, isIfUnused))
  }

  /** Removes a target as its owner does: its own definition and its bindings in one change. */
  removeTarget(name: string): Promise<void> {
    const target = this.target(name)
    return this.bench.run(
      this.metadata.change(async (commit) => {
        const { changes, apply } = this.registry.forgetTarget('/', target)
        await commit(new Map([...changes, [`queue/${name}`, null]]))
        this.targets.delete(`/ queue ${name}`)
        apply()
      }),
    )
  }

  /** Names of what a message reaches. */
  route(exchange: string, key = '', headers: Record<string, string> = {}, namespace = '/') {
    const names: string[] = []
    const table = this.registry.table(namespace)
    const message = messageOf(key, headers)
    table.route(this.registry.get(namespace, exchange), message, ({ name }) => names.push(name))
    return names.sort()
  }

  exchangeNames(namespace = '/'): string[] {
    return this.registry
      .list(namespace)
      .filter(({ isPredeclared }) => !isPredeclared)
      .map(({ name }) => name)
  }

  /** Keys of what is stored. */
  stored(prefix: string): string[] {
    return [...this.metadata.entries(prefix)].map(([key]) => key).sort()
  }

  *#queueNames(namespace: string): Iterable<string> {
    for (const key of this.targets.keys())
      if (key.startsWith(`${namespace} queue `)) yield key.slice(namespace.length + 7)
  }
}

/** The error of a call that is refused, as `CODE: message`. */
export const refusalOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call
    return 'none'
  } catch (error) {
    if (!isBrokerError(error)) throw error
    return `${error.code}: ${error.message}`
  }
}

export const codeOf = async (call: Promise<unknown>): Promise<string> =>
  (await refusalOf(call)).split(':')[0] as string
