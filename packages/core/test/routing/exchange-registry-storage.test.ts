/** What the metadata has of exchanges and bindings: across restarts, races and damage. */
import { newWorld } from '../support/node.ts'
import { RegistryBench, bindingOf, codeOf, ends } from './registry-support.ts'

describe('after a power loss', () => {
  it('everything durable is in force again', async () => {
    const one = await RegistryBench.open(newWorld(), [...ends('q', 'r'), '/ topic t'])
    await one.declare('topic', { type: 'topic', alternateExchange: 'rest' })
    await one.declare('rest', { type: 'fanout', isInternal: true, labels: { a: 'b' } })
    await one.declare('hash', { type: 'consistent-hash', hashHeader: 'h' })
    await one.bind('topic', 't', { targetKind: 'topic', routingKey: 'a.#' })
    await one.bind('topic', 'hash', { targetKind: 'exchange', routingKey: 'h.*' })
    await one.bind('hash', 'q', { routingKey: '1' })
    await one.bind('rest', 'r')
    await one.bind('amq.match', 'q', { match: 'any', headers: { a: 's1', b: null } })
    const next = await one.reopen()
    expect(next.route('topic', 'a.b')).toEqual(['t'])
    expect(next.route('topic', 'h.b')).toEqual(['q'])
    expect(next.route('topic', 'none')).toEqual(['r'])
    expect(next.route('amq.match', '', { b: 'i7' })).toEqual(['q'])
    expect(next.registry.get('/', 'rest').settings).toEqual(one.registry.get('/', 'rest').settings)
    expect(next.commitCount).toBe(0)
  })

  it('a change whose answer did not come is there whole or not at all', async () => {
    const world = newWorld()
    const one = await RegistryBench.open(world, ends('q'))
    await one.declare('x', { type: 'fanout', isAutoDelete: true })
    await one.bind('x', 'q')
    const unbinding = one.registry.unbind('/', bindingOf('x', 'q'))
    unbinding.catch(() => undefined)
    await world.scheduler.runFor(0.01)
    // Not durable yet, so still in force.
    expect(one.route('x')).toEqual(['q'])
    const next = await one.reopen(ends('q'))
    const [exchanges, bindings] = [next.stored('exchange/'), next.stored('binding/')]
    expect(exchanges.length).toBe(bindings.length)
  })

  it('numbers go on, and none is given twice', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('a')
    await one.declare('b')
    await one.bind('b', 'q')
    await one.delete('b')
    const next = await one.reopen()
    await next.declare('c')
    await next.bind('c', 'q')
    expect(next.stored('exchange/')).toEqual(['exchange/1', 'exchange/4'])
    expect(next.stored('binding/')).toEqual(['binding/5'])
    expect(next.metadata.get('routing-ids')).toEqual({ nextId: 6 })
    expect(next.metadata.get('ids')).toBeUndefined()
  })

  it('numbers go on when their counter is lost', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('a')
    await one.bind('a', 'q')
    await one.bench.run(one.metadata.change((commit) => commit(new Map([['routing-ids', null]]))))
    const next = await one.reopen()
    await next.declare('b')
    expect(next.stored('exchange/')).toEqual(['exchange/1', 'exchange/3'])
    expect(next.stored('binding/')).toEqual(['binding/2'])
  })
})

describe('calls at the same time', () => {
  it('run one after the other, in the order of the calls', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    const { registry, bench } = one
    const settings = { type: 'fanout' } as const
    const results = await bench.run(
      Promise.all([
        registry.declare('/', 'x', settings),
        registry.declare('/', 'x', settings),
        codeOf(registry.declare('/', 'x', { type: 'topic' })),
        registry.bind('/', bindingOf('x', 'q')),
        registry.bind('/', bindingOf('x', 'q')),
        codeOf(registry.delete('/', 'x', true)),
        registry.delete('/', 'x'),
        codeOf(registry.bind('/', bindingOf('x', 'q'))),
        registry.delete('/', 'x'),
        registry.declare('/', 'x', { type: 'topic' }),
      ]),
    )
    expect(results[1]).toBe(results[0])
    expect(results.filter((result) => typeof result === 'string')).toEqual([
      'ERR_EXCHANGE_EXISTS',
      'ERR_EXCHANGE_IN_USE',
      'ERR_EXCHANGE_NOT_FOUND',
    ])
    expect(registry.get('/', 'x')).toBe(results[9])
    expect(one.route('x')).toEqual([])
    expect((await one.reopen()).registry.get('/', 'x').settings.type).toBe('topic')
  })

  it('bind to no queue that goes before their turn', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    const removing = one.removeTarget('q')
    const binding = codeOf(one.registry.bind('/', bindingOf('amq.fanout', 'q')))
    await removing
    expect(await one.bench.run(binding)).toBe('ERR_QUEUE_NOT_FOUND')
    expect(one.stored('binding/')).toEqual([])
  })

  it('go on behind one that is refused', async () => {
    const one = await RegistryBench.open()
    const refused = codeOf(one.registry.declare('/', 'amq.none', {}))
    const taken = one.registry.declare('/', 'x', {})
    expect(await one.bench.run(Promise.all([refused, taken]))).toEqual([
      'ERR_RESERVED_NAME',
      one.registry.get('/', 'x'),
    ])
  })
})

describe('a stored binding', () => {
  const twoBindings = async () => {
    const one = await RegistryBench.open(newWorld(), ends('q', 'r'))
    await one.declare('x', { type: 'fanout' })
    await one.bind('x', 'q')
    await one.bind('x', 'r')
    return one
  }

  it('whose target is not there is kept, said, and in force when it is back', async () => {
    const one = await twoBindings()
    const next = await one.reopen(ends('r'))
    expect(next.route('x')).toEqual(['r'])
    expect(next.stored('binding/')).toHaveLength(2)
    const lines = next.world.logLines.filter(({ level }) => level === 'error')
    expect(lines.map(({ fields }) => fields)).toMatchObject([
      { exchange: 'x', target: 'q', reason: 'its target is not there' },
    ])
    const last = await next.reopen(ends('q', 'r'))
    expect(last.route('x')).toEqual(['q', 'r'])
  })

  it('whose target is not there is the same one when it is bound again', async () => {
    const one = await twoBindings()
    const next = await one.reopen(ends('r'))
    next.addTarget('/ queue q')
    await next.bind('x', 'q')
    expect(next.route('x')).toEqual(['q', 'r'])
    expect(next.stored('binding/')).toHaveLength(2)
    await next.unbind('x', 'q')
    expect(next.stored('binding/')).toHaveLength(1)
    // No longer set aside: from here on it is a new one.
    await next.bind('x', 'q')
    expect((await next.reopen()).route('x')).toEqual(['q', 'r'])
  })

  it('whose target is not there goes when it is unbound, or one of its ends goes', async () => {
    const acts: ((one: RegistryBench) => Promise<void>)[] = [
      (one) => one.unbind('x', 'q'),
      (one) => one.delete('x'),
      (one) => {
        one.addTarget('/ queue q')
        return one.removeTarget('q')
      },
    ]
    for (const act of acts) {
      const one = await (await twoBindings()).reopen(ends('r'))
      await act(one)
      const next = await one.reopen(ends('q', 'r'))
      expect(next.registry.listBindings('/', { targetKind: 'queue', target: 'q' })).toEqual([
        bindingOf('', 'q', { routingKey: 'q' }),
      ])
    }
  })

  it('of an exchange that is not there or not understood is kept', async () => {
    const one = await twoBindings()
    await one.declare('new', { type: 'fanout' })
    await one.bind('new', 'q')
    const unknown = { id: 4, namespace: '/', exchange: 'new', settings: { type: 'quantum' } }
    await one.bench.run(
      one.metadata.change((commit) =>
        commit(
          new Map<string, object | null>([
            ['exchange/1', null],
            ['exchange/4', unknown],
          ]),
        ),
      ),
    )
    const next = await one.reopen()
    expect(next.exchangeNames()).toEqual([])
    expect(next.stored('binding/')).toHaveLength(3)
    expect(next.stored('exchange/')).toHaveLength(1)
    expect(next.world.eventCounts.get('an exchange is not understood')).toBe(1)
  })

  it('that its exchange does not take, or that is there twice, is kept beside the rest', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('hash', { type: 'consistent-hash' })
    await one.bind('hash', 'q', { routingKey: '1' })
    const wrong = { id: 7, namespace: '/', binding: bindingOf('hash', 'q', { routingKey: 'k' }) }
    const twice = { id: 8, namespace: '/', binding: bindingOf('hash', 'q', { routingKey: '1' }) }
    const changes = new Map([
      ['binding/7', wrong],
      ['binding/8', twice],
    ])
    await one.bench.run(one.metadata.change((commit) => commit(changes)))
    const next = await one.reopen()
    expect(next.route('hash', 'any')).toEqual(['q'])
    expect(next.stored('binding/')).toHaveLength(3)
    await next.unbind('hash', 'q', { routingKey: '1' })
    expect(next.route('hash', 'any')).toEqual([])
    expect(next.stored('binding/')).toEqual(['binding/7'])
  })

  it('is one of 20,000 that go in one change, with their exchange', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('x')
    const changes = new Map<string, object>()
    for (let id = 10; id < 20_010; id++)
      changes.set(`binding/${id}`, {
        id,
        namespace: '/',
        binding: bindingOf('x', 'q', { routingKey: `key ${id}` }),
      })
    await one.bench.run(one.metadata.change((commit) => commit(changes)))
    const next = await one.reopen()
    expect(next.route('x', 'key 77')).toEqual(['q'])
    await next.delete('x')
    expect(next.commitCount).toBe(1)
    expect((await next.reopen()).stored('binding/')).toEqual([])
  })

  it('is logged one by one up to a number, and then counted', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    for (let index = 0; index < 25; index++)
      await one.bind('amq.direct', 'q', { routingKey: `k${index}` })
    const next = await one.reopen([])
    const { eventCounts } = next.world
    expect(eventCounts.get('a binding is not in force and is kept aside')).toBe(20)
    expect(next.world.logLines.at(-1)).toMatchObject({
      event: 'bindings are kept aside',
      fields: { count: 25 },
    })
  })
})
