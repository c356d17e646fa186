/** Declares, alters, purges, deletes, binds, moves and replays, one call at a time. */
import type { Binding, Messaging } from '@millrace/core'
import type { ErrorCode } from '@millrace/codec'
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import { type Definition, bindingKey } from './definitions.ts'
import { demandCause } from './queue-errors.ts'
import { QueueModel } from './queue-model.ts'
import {
  DEAD_QUEUE,
  FEED_TOPIC,
  KEPT_QUEUE,
  LETTERS_EXCHANGE,
  VIEW_QUEUE,
  changeFor,
  exchangeTypes,
  fixedBindings,
  looseBindings,
  queueNames,
  removableExchanges,
  settingsFor,
} from './topology.ts'

/** What stays for the whole of a seed. */
const KEPT: readonly string[] = [DEAD_QUEUE, VIEW_QUEUE]
/** The broker may have done it all the same. */
const UNSURE: readonly ErrorCode[] = ['ERR_STORAGE_FAILED', 'ERR_INTERNAL', 'ERR_CLOSED']

const caller = callerOf('/')

export class QueueAdministrator {
  readonly #life: Life

  constructor(life: Life) {
    this.#life = life
  }

  get #messaging(): Messaging {
    return this.#life.broker.messaging
  }

  get #definitions(): Life['simulation']['queues']['definitions'] {
    return this.#life.simulation.queues.definitions
  }

  /** What others need in order to do something. */
  async prepare(): Promise<void> {
    if (this.#life.simulation.queues.isForgiven) return
    await this.#createFeed()
    for (const exchange of exchangeTypes.keys()) await this.#declareExchange(exchange)
    for (const name of queueNames)
      if (KEPT.includes(name) || this.#life.random.chance(0.7)) await this.#declareQueue(name)
    for (const binding of [...fixedBindings, ...looseBindings])
      if (fixedBindings.includes(binding) || this.#life.random.chance(0.6))
        await this.#bind(binding)
  }

  async run(): Promise<void> {
    const { random, simulation } = this.#life
    while (!this.#life.isEnding) {
      await this.#life.pause(random.below(12 * simulation.scenario.pauseUs))
      if (this.#life.isEnding || simulation.queues.isForgiven) return
      this.#life.count()
      await this.#act()
    }
  }

  async #act(): Promise<void> {
    const { random } = this.#life
    const choice = random.fraction()
    const name = random.pick(queueNames)
    if (choice < 0.25) return this.#declareQueue(name)
    if (choice < 0.45) return this.#bind(random.pick(looseBindings))
    if (choice < 0.55) return this.#unbind(random.pick(looseBindings))
    if (choice < 0.65) return this.#alter(name)
    if (choice < 0.72) return this.#purge(name)
    if (choice < 0.79) return this.#delete(name)
    if (choice < 0.85) return this.#move(name)
    if (choice < 0.9) return this.#replay()
    const exchange = random.pick(removableExchanges)
    return random.chance(0.6) ? this.#declareExchange(exchange) : this.#deleteExchange(exchange)
  }

  async #createFeed(): Promise<void> {
    const { broker } = this.#life
    const isThere = broker.listTopics(caller).some(({ topic }) => topic === FEED_TOPIC)
    if (isThere) return
    const creating = broker.createTopic(caller, { topic: FEED_TOPIC, partitions: 2 })
    await this.#try(`create ${FEED_TOPIC}`, creating)
  }

  async #declareExchange(exchange: string): Promise<void> {
    if (this.#definitions.exchanges.has(exchange)) return
    const definition: Definition = { standing: 'adding' }
    this.#definitions.exchanges.set(exchange, definition)
    const settings = { type: exchangeTypes.get(exchange) ?? 'direct', isDurable: true } as const
    const what = `declare exchange ${exchange}`
    const code = await this.#try(
      what,
      this.#messaging.declareExchange(caller, { exchange, settings }),
    )
    if (code === undefined) definition.standing = 'there'
    else if (!UNSURE.includes(code)) this.#definitions.exchanges.delete(exchange)
  }

  async #deleteExchange(exchange: string): Promise<void> {
    const definition = this.#definitions.exchanges.get(exchange)
    if (definition?.standing !== 'there') return
    const bindings = this.#definitions.bindingsOf('exchange', exchange)
    const call = (): Promise<unknown> => this.#messaging.deleteExchange(caller, { exchange })
    await this.#remove(`delete exchange ${exchange}`, [definition, ...bindings], call, () => {
      this.#definitions.exchanges.delete(exchange)
      for (const { binding } of bindings) this.#definitions.bindings.delete(bindingKey(binding))
    })
  }

  async #declareQueue(name: string): Promise<void> {
    const { random, simulation } = this.#life
    if (this.#definitions.queues.has(name)) return
    const settings = settingsFor(name, random)
    const queue = new QueueModel(name, settings, simulation)
    const definition = {
      queue,
      standing: 'adding' as Definition['standing'],
      pendingSettings: undefined,
    }
    this.#definitions.queues.set(name, definition)
    const declaring = this.#messaging.declareQueue(caller, { queue: name, settings })
    const expected: ErrorCode[] = name === VIEW_QUEUE ? ['ERR_TOPIC_NOT_FOUND'] : []
    const code = await this.#try(`declare ${name} ${JSON.stringify(settings)}`, declaring, expected)
    if (code === undefined) {
      definition.standing = 'there'
      simulation.coverage.add('queue declared')
    } else if (!UNSURE.includes(code)) this.#definitions.queues.delete(name)
  }

  async #alter(name: string): Promise<void> {
    const { random, simulation } = this.#life
    const known = this.#definitions.queues.get(name)
    const settings = changeFor(name, random)
    if (
      known?.standing !== 'there' ||
      settings === undefined ||
      known.pendingSettings !== undefined
    )
      return
    known.pendingSettings = settings
    known.queue.noteSettings({ ...known.queue.settings, ...settings })
    const altering = this.#messaging.alterQueue(caller, { queue: name, settings })
    const code = await this.#try(`alter ${name} ${JSON.stringify(settings)}`, altering)
    if (code !== undefined && UNSURE.includes(code)) return
    known.pendingSettings = undefined
    if (code !== undefined) return
    known.queue.settings = { ...known.queue.settings, ...settings }
    simulation.coverage.add('queue altered')
  }

  async #delete(name: string): Promise<void> {
    const known = this.#definitions.queues.get(name)
    if (known?.standing !== 'there' || KEPT.includes(name)) return
    const bindings = this.#definitions.bindingsOf('queue', name)
    const call = (): Promise<unknown> => this.#messaging.deleteQueue(caller, { queue: name })
    await this.#remove(`delete ${name}`, [known, ...bindings], call, () => {
      this.#definitions.queues.delete(name)
      for (const { binding } of bindings) this.#definitions.bindings.delete(bindingKey(binding))
      this.#life.simulation.coverage.add('queue deleted')
    })
  }

  async #bind(binding: Binding): Promise<void> {
    const key = bindingKey(binding)
    const { targetKind, target, exchange } = binding
    const isReady =
      this.#definitions.isThere('exchange', exchange) &&
      this.#definitions.isThere(targetKind, target)
    if (!isReady || this.#definitions.bindings.has(key)) return
    const definition = { standing: 'adding' as Definition['standing'], binding }
    this.#definitions.bindings.set(key, definition)
    const expected: ErrorCode[] = targetKind === 'topic' ? ['ERR_TOPIC_NOT_FOUND'] : []
    const code = await this.#try(`bind ${key}`, this.#messaging.bind(caller, binding), expected)
    if (code === undefined) definition.standing = 'there'
    else if (!UNSURE.includes(code)) this.#definitions.bindings.delete(key)
  }

  async #unbind(binding: Binding): Promise<void> {
    const key = bindingKey(binding)
    const known = this.#definitions.bindings.get(key)
    if (known?.standing !== 'there') return
    const call = (): Promise<unknown> => this.#messaging.unbind(caller, binding)
    await this.#remove(
      `unbind ${key}`,
      [known],
      call,
      () => void this.#definitions.bindings.delete(key),
    )
  }

  /** What is ready goes for good; what is on its way may. */
  async #purge(name: string): Promise<void> {
    const known = this.#definitions.queues.get(name)
    if (known?.standing !== 'there' || name === DEAD_QUEUE) return
    const { queue } = known
    const isExact = queue.getCount === 0 && queue.isDurable
    const ready = [...queue.places()].filter(({ state }) => state === 'ready')
    for (const stay of queue.stays.values()) stay.mayBePurged()
    const purging = this.#messaging.purgeQueue(caller, { queue: name })
    for (const place of isExact ? ready : []) {
      if (place.stay.mayBeMoved || queue.mayBeDropped(place.stay)) continue
      place.state = 'settled'
      place.isSettledSurely = false
    }
    const code = await this.#try(`purge ${name}`, purging)
    if (code !== undefined) return
    this.#life.simulation.coverage.add('purge')
    if (this.#life.wasFull) return
    for (const place of ready) if (place.state === 'settled') place.isSettledSurely = true
  }

  /** To the dead letters: there first, and then here no more. */
  async #move(name: string): Promise<void> {
    const { random } = this.#life
    const known = this.#definitions.queues.get(name)
    if (known?.standing !== 'there' || name === DEAD_QUEUE) return
    if (!this.#definitions.bindings.has(bindingKey(fixedBindings[0]!))) return
    for (const stay of known.queue.stays.values()) stay.mayBeMoved = true
    const request = { queue: name, exchange: LETTERS_EXCHANGE, count: random.between(1, 5) }
    known.queue.isMoving = true
    const moving = this.#messaging.moveMessages(caller, request)
    await this.#try(`move from ${name}`, moving)
    known.queue.isMoving = false
  }

  async #replay(): Promise<void> {
    const { simulation, random } = this.#life
    const known = this.#definitions.queues.get(KEPT_QUEUE)
    if (known?.standing !== 'there') return
    const sinceMs = simulation.world.clock.now() - random.pick([50, 1_000_000_000])
    known.queue.replayed(false)
    known.queue.isReplaying = true
    simulation.note(`replay ${KEPT_QUEUE} begins`)
    const replaying = this.#messaging.replayQueue(caller, { queue: KEPT_QUEUE, sinceMs })
    const code = await this.#try(`replay ${KEPT_QUEUE}`, replaying)
    known.queue.isReplaying = false
    known.queue.replayed(code === undefined && !this.#life.wasFull)
    simulation.coverage.add('replay')
  }

  async #remove(
    what: string,
    definitions: readonly Definition[],
    call: () => Promise<unknown>,
    apply: () => void,
  ): Promise<void> {
    const before = definitions.map(({ standing }) => standing)
    for (const definition of definitions) definition.standing = 'removing'
    const code = await this.#try(what, call())
    if (code === undefined) return apply()
    if (UNSURE.includes(code)) return
    for (const [index, definition] of definitions.entries()) definition.standing = before[index]!
  }

  /** `undefined` when it is done, else what was said. */
  async #try(
    what: string,
    promise: Promise<unknown>,
    expected: readonly ErrorCode[] = [],
  ): Promise<ErrorCode | undefined> {
    try {
      await this.#life.call(what, promise)
      this.#life.simulation.note(`${what}: done`)
      return undefined
    } catch (error) {
      return demandCause(this.#life, what, error, expected)
    }
  }
}
