import type { Binding, ExchangeSettings } from '../../src/engine/messaging.ts'
import { BINDINGS_COUNT_MAX, EXCHANGES_COUNT_MAX } from '../../src/routing/limits.ts'
import { newWorld } from '../support/node.ts'
import { RegistryBench, bindingOf, codeOf, ends, refusalOf } from './registry-support.ts'

const predeclared = ['', 'amq.direct', 'amq.fanout', 'amq.headers', 'amq.match', 'amq.topic']

describe('a namespace', () => {
  it('has exchanges from the beginning, which are not stored', async () => {
    const one = await RegistryBench.open()
    const all = one.registry.list('/')
    expect(all.map(({ name }) => name)).toEqual(predeclared)
    expect(all.every(({ isPredeclared, isDurable }) => isPredeclared && isDurable)).toBe(true)
    expect(one.registry.get('/', 'amq.match').settings.type).toBe('headers')
    expect(one.registry.get('/', 'amq.topic').settings.type).toBe('topic')
    expect(one.commitCount).toBe(0)
  })

  it('knows nothing of another', async () => {
    const one = await RegistryBench.open(newWorld(), ['/ queue q', 'tenant queue q'])
    await one.declare('x', { type: 'fanout' })
    await one.declare('x', { type: 'direct' }, 'tenant')
    await one.bind('x', 'q')
    expect(one.route('x')).toEqual(['q'])
    expect(one.route('x', '', {}, 'tenant')).toEqual([])
    expect(one.registry.find('other', 'x')).toBeUndefined()
    const next = await one.reopen()
    expect(next.registry.get('tenant', 'x').settings.type).toBe('direct')
    expect(next.route('x')).toEqual(['q'])
  })
})

describe('the default exchange', () => {
  it('leads to each queue by its name', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    expect(one.route('', 'q')).toEqual(['q'])
    expect(one.route('', 'r')).toEqual([])
    one.addTarget('/ queue r')
    expect(one.route('', 'r')).toEqual(['r'])
  })

  it('may not be declared, bound, unbound or deleted', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('x')
    const toDefault = { targetKind: 'exchange' } as const
    for (const call of [
      () => one.declare(''),
      () => one.delete(''),
      () => one.bind('', 'q'),
      () => one.unbind('', 'q'),
      () => one.bind('x', '', toDefault),
      () => one.unbind('x', '', toDefault),
    ])
      expect(await codeOf(call())).toBe('ERR_RESERVED_NAME')
  })
})

describe('declaring an exchange', () => {
  it('answers the one that is there when its settings are equal', async () => {
    const one = await RegistryBench.open()
    const labels = { a: '1', b: '2' }
    const first = await one.declare('x', { type: 'topic', labels })
    const commitCount = one.commitCount
    const again = await one.declare('x', { type: 'topic', labels: { b: '2', a: '1' } })
    expect(again).toBe(first)
    expect(one.commitCount).toBe(commitCount)
    expect(one.registry.describe('/', first)).toMatchObject({
      namespace: '/',
      exchange: 'x',
      isPredeclared: false,
      bindingCount: 0,
      settings: { type: 'topic', isDurable: true, isAutoDelete: false, isInternal: false },
    })
  })

  const base: Partial<ExchangeSettings> = {
    type: 'consistent-hash',
    hashHeader: 'h',
    alternateExchange: 'other',
    labels: { l: '1' },
  }

  it.each<[string, Partial<ExchangeSettings>]>([
    [
      "type: 'topic' was asked for, it is 'consistent-hash'",
      { type: 'topic', hashHeader: undefined },
    ],
    ["isDurable: 'false' was asked for, it is 'true'", { isDurable: false }],
    ["isAutoDelete: 'true' was asked for, it is 'false'", { isAutoDelete: true }],
    ["isInternal: 'true' was asked for, it is 'false'", { isInternal: true }],
    ["alternateExchange: 'x' was asked for, it is 'other'", { alternateExchange: 'x' }],
    ["alternateExchange: 'none' was asked for, it is 'other'", { alternateExchange: undefined }],
    ["hashHeader: 'none' was asked for, it is 'h'", { hashHeader: undefined }],
    ["labels.l: '2' was asked for, it is '1'", { labels: { l: '2' } }],
    ["labels.l: 'none' was asked for, it is '1'", { labels: {} }],
    ["labels.k: '1' was asked for, it is 'none'", { labels: { l: '1', k: '1' } }],
    ["isDurable: 'false' was asked for, it is 'true'", { isDurable: false, labels: {} }],
  ])('names the first difference: %s', async (difference, changed) => {
    const one = await RegistryBench.open()
    await one.declare('x', base)
    expect(await refusalOf(one.declare('x', { ...base, ...changed }))).toBe(
      `ERR_EXCHANGE_EXISTS: exchange 'x' exists with another ${difference}`,
    )
    expect(one.registry.get('/', 'x').settings).toMatchObject(base)
  })

  it('keeps the names that begin with amq. to those that are there', async () => {
    const one = await RegistryBench.open()
    expect((await one.declare('amq.topic', { type: 'topic' })).isPredeclared).toBe(true)
    expect(await codeOf(one.declare('amq.topic', { type: 'direct' }))).toBe('ERR_EXCHANGE_EXISTS')
    expect(await codeOf(one.declare('amq.topic', { type: 'topic', isDurable: false }))).toBe(
      'ERR_EXCHANGE_EXISTS',
    )
    expect(await codeOf(one.declare('amq.other'))).toBe('ERR_RESERVED_NAME')
    expect(await codeOf(one.declare('amq.'))).toBe('ERR_RESERVED_NAME')
    expect((await one.declare('amq')).name).toBe('amq')
  })

  it.each(['a/b', ' a b ', 'größe 🙂', '__proto__', 'a\u0000b', 'x'.repeat(255), 'é'.repeat(127)])(
    'takes the name %j, and keeps it',
    async (name) => {
      const one = await RegistryBench.open(newWorld(), ['/ queue q'])
      await one.declare(name, { type: 'fanout' })
      await one.bind(name, 'q', { routingKey: name })
      const next = await one.reopen()
      expect(next.route(name)).toEqual(['q'])
      expect(next.registry.listBindings('/', { exchange: name })).toEqual([
        bindingOf(name, 'q', { routingKey: name }),
      ])
    },
  )

  it.each(['x'.repeat(256), 'é'.repeat(128), '\ud800', 'a\udc00'])(
    'refuses the name %j, also of a target and as a routing key',
    async (name) => {
      const one = await RegistryBench.open(newWorld(), ends('q'))
      await one.declare('x')
      for (const call of [
        () => one.declare(name),
        () => one.declare('y', { alternateExchange: name }),
        () => one.declare('y', { type: 'consistent-hash', hashHeader: name }),
        () => one.bind(name, 'q'),
        () => one.bind('x', name),
        () => one.bind('x', 'q', { routingKey: name }),
        () => one.unbind('x', 'q', { routingKey: name }),
      ])
        expect(await codeOf(call())).toBe('ERR_INVALID_NAME')
      expect(one.exchangeNames()).toEqual(['x'])
    },
  )

  it('refuses what no exchange can be', async () => {
    const one = await RegistryBench.open()
    const long = { label: 'x'.repeat(65_536) }
    for (const settings of [
      { type: 'toString' as 'direct' },
      { type: 'direct', hashHeader: 'h' } as const,
      { labels: long },
    ])
      expect(await codeOf(one.declare('x', settings))).toBe('ERR_INVALID_ARGUMENT')
    await one.declare('x', { labels: { label: 'x'.repeat(65_531) } })
  })

  it('has a limit for each namespace', async () => {
    const limits = { exchangesCountMax: predeclared.length + 2 }
    const one = await RegistryBench.open(newWorld(), [], limits)
    await one.declare('1')
    await one.declare('2', { isDurable: false })
    expect(await codeOf(one.declare('3'))).toBe('ERR_LIMIT_EXCEEDED')
    expect((await one.declare('1')).name).toBe('1')
    await one.declare('1', {}, 'tenant')
    await one.delete('1')
    await one.declare('3')
    expect(EXCHANGES_COUNT_MAX).toBe(100_000)
  })
})

describe('deleting an exchange', () => {
  it('takes its bindings with it, on both sides', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    for (const name of ['a', 'b', 'c']) await one.declare(name, { type: 'fanout' })
    await one.bind('a', 'b', { targetKind: 'exchange' })
    await one.bind('b', 'q')
    await one.bind('b', 'c', { targetKind: 'exchange' })
    await one.bind('b', 'b', { targetKind: 'exchange' })
    await one.bind('c', 'q')
    const old = one.registry.get('/', 'b')
    await one.delete('b')
    expect(old.isDeleted).toBe(true)
    expect(one.route('a')).toEqual([])
    expect(one.registry.listBindings('/', { exchange: 'c' })).toHaveLength(1)
    expect(one.registry.table('/').bindingCount).toBe(1)
    const next = await one.reopen()
    expect(next.exchangeNames()).toEqual(['a', 'c'])
    expect(next.stored('binding/')).toHaveLength(1)
    await next.declare('b', { type: 'fanout' })
    expect(next.route('b')).toEqual([])
  })

  it('is refused while it is a source, where that was asked for', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('a')
    await one.declare('b')
    await one.bind('b', 'a', { targetKind: 'exchange' })
    await one.bind('a', 'q')
    expect(await codeOf(one.delete('a', true))).toBe('ERR_EXCHANGE_IN_USE')
    await one.unbind('a', 'q')
    await one.delete('a', true)
    expect(one.exchangeNames()).toEqual(['b'])
    expect(one.registry.get('/', 'b').bindingCount).toBe(0)
  })

  it('is done when there is none, and refused for those from the beginning', async () => {
    const one = await RegistryBench.open()
    await one.delete('unknown')
    await one.delete('unknown', true)
    expect(one.commitCount).toBe(0)
    for (const name of predeclared) expect(await codeOf(one.delete(name))).toBe('ERR_RESERVED_NAME')
    expect(one.registry.list('/')).toHaveLength(predeclared.length)
  })
})

describe('a binding', () => {
  const variants: Partial<Binding>[] = [
    {},
    { routingKey: 'k' },
    { match: 'all' },
    { match: 'any' },
    { headers: { a: 's1' } },
    { headers: { a: null } },
    { headers: { a: 's1', b: 's2' } },
    { match: 'any', headers: { a: 's1', b: 's2' } },
    { labels: { a: '1' } },
    { labels: { a: '2' } },
  ]

  it('is the same when all its fields are, in whatever order', async () => {
    const one = await RegistryBench.open(newWorld(), [...ends('q', 'r'), '/ topic q'])
    await one.declare('x', { type: 'headers' })
    for (let round = 0; round < 2; round++) {
      for (const rest of variants) await one.bind('x', 'q', rest)
      await one.bind('x', 'q', { headers: { b: 's2', a: 's1' } })
      await one.bind('x', 'q', { headers: {}, labels: {}, match: undefined })
      await one.bind('x', 'q', { targetKind: 'topic' })
      await one.bind('x', 'r')
    }
    expect(one.commitCount).toBe(1 + variants.length + 2)
    expect(one.registry.get('/', 'x').bindingCount).toBe(variants.length + 2)
    const next = await one.reopen()
    const listed = next.registry.listBindings('/', { exchange: 'x', target: 'q' })
    expect(listed).toHaveLength(variants.length + 1)
    for (const rest of variants) expect(listed).toContainEqual(bindingOf('x', 'q', rest))
    await next.unbind('x', 'q', { headers: { b: 's2', a: 's1' } })
    expect(next.registry.get('/', 'x').bindingCount).toBe(variants.length + 1)
    for (let round = 0; round < 2; round++)
      for (const rest of variants) await next.unbind('x', 'q', rest)
    expect(next.registry.get('/', 'x').bindingCount).toBe(2)
    expect(next.stored('binding/')).toHaveLength(2)
  })

  it('needs both of its ends', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('x')
    for (const act of ['bind', 'unbind'] as const) {
      expect(await codeOf(one[act]('none', 'q'))).toBe('ERR_EXCHANGE_NOT_FOUND')
      expect(await codeOf(one[act]('x', 'none'))).toBe('ERR_QUEUE_NOT_FOUND')
      expect(await codeOf(one[act]('x', 'q', { targetKind: 'topic' }))).toBe('ERR_TOPIC_NOT_FOUND')
      expect(await codeOf(one[act]('x', 'q', { targetKind: 'exchange' }))).toBe(
        'ERR_EXCHANGE_NOT_FOUND',
      )
    }
    await one.unbind('x', 'q')
  })

  it('asks whether its target is to be had', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('x')
    const binding = bindingOf('x', 'q')
    const refuse = ({ name }: { name: string }): void => {
      throw new Error(`${name} is locked`)
    }
    const { registry, bench } = one
    await expect(bench.run(registry.bind('/', binding, refuse))).rejects.toThrow('q is locked')
    await one.bind('x', 'q')
    await expect(bench.run(registry.bind('/', binding, refuse))).rejects.toThrow('q is locked')
    await expect(bench.run(registry.unbind('/', binding, refuse))).rejects.toThrow('q is locked')
    expect(registry.get('/', 'x').bindingCount).toBe(1)
  })

  it('asks for what its exchange understands', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    await one.declare('hash', { type: 'consistent-hash' })
    await one.declare('x')
    const many = Array.from({ length: 1_001 }, (_, index) => [`h${index}`, 's'])
    const refused: [string, Partial<Binding>][] = [
      ['hash', { routingKey: 'k' }],
      ['x', { match: 'some' as 'any' }],
      ['x', { targetKind: 'stream' as 'queue' }],
      ['x', { headers: Object.fromEntries(many) as Record<string, string> }],
      ['x', { headers: { a: 's'.repeat(65_536) } }],
      ['x', { labels: { a: 's'.repeat(65_536) } }],
    ]
    for (const [exchange, rest] of refused)
      expect(await codeOf(one.bind(exchange, 'q', rest))).toBe('ERR_INVALID_ARGUMENT')
    expect(one.registry.table('/').bindingCount).toBe(0)
    expect(one.stored('binding/')).toEqual([])
    const headers = Object.fromEntries(many.slice(1)) as Record<string, string>
    await one.bind('x', 'q', { headers })
    await one.bind('x', 'q', { headers: { a: 's'.repeat(65_535) } })
  })

  it('has a limit for each namespace', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'), { bindingsCountMax: 2 })
    for (const routingKey of ['1', '2']) await one.bind('amq.direct', 'q', { routingKey })
    expect(await codeOf(one.bind('amq.direct', 'q', { routingKey: '3' }))).toBe(
      'ERR_LIMIT_EXCEEDED',
    )
    await one.bind('amq.direct', 'q', { routingKey: '2' })
    await one.unbind('amq.direct', 'q', { routingKey: '1' })
    await one.bind('amq.direct', 'q', { routingKey: '3' })
    expect(BINDINGS_COUNT_MAX).toBe(1_000_000)
  })

  it('does not keep what else the caller has put into it', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    const headers: Record<string, string> = { a: 's1' }
    await one.bind('amq.headers', 'q', { headers, other: 1 } as Partial<Binding>)
    headers['a'] = 's2'
    const [binding] = one.registry.listBindings('/', { exchange: 'amq.headers' })
    expect(binding).toEqual(bindingOf('amq.headers', 'q', { headers: { a: 's1' } }))
  })
})

describe('the list of bindings', () => {
  it('has those of the default exchange, and can be narrowed', async () => {
    const one = await RegistryBench.open(newWorld(), [...ends('q', 'r'), '/ topic q', 'x queue s'])
    await one.declare('q')
    await one.bind('amq.topic', 'q', { routingKey: '#' })
    await one.bind('amq.topic', 'q', { routingKey: '*' })
    await one.bind('amq.topic', 'q', { targetKind: 'topic' })
    await one.bind('amq.fanout', 'q', { targetKind: 'exchange' })
    await one.bind('q', 'r')
    const shown = (filter = {}): string[] =>
      one.registry
        .listBindings('/', filter)
        .map((one) => `${one.exchange}>${one.targetKind}:${one.target}:${one.routingKey}`)
    const all = [
      '>queue:q:q',
      '>queue:r:r',
      'amq.fanout>exchange:q:',
      'amq.topic>queue:q:#',
      'amq.topic>queue:q:*',
      'amq.topic>topic:q:',
      'q>queue:r:',
    ]
    const having = (...parts: string[]) =>
      all.filter((line) => parts.every((part) => line.includes(part)))
    expect(shown()).toEqual(all)
    expect(shown({ exchange: '' })).toEqual(all.slice(0, 2))
    expect(shown({ exchange: 'amq.topic' })).toEqual(having('amq.topic>'))
    expect(shown({ target: 'q' })).toEqual(having(':q:'))
    expect(shown({ target: 'q', targetKind: 'queue' })).toEqual(having('queue:q:'))
    expect(shown({ targetKind: 'exchange' })).toEqual(having('>exchange'))
    expect(shown({ exchange: 'amq.topic', target: 'q', targetKind: 'topic' })).toEqual([all[5]])
    expect(shown({ exchange: '', target: 'r' })).toEqual([all[1]])
    expect(shown({ exchange: 'none' })).toEqual([])
    expect(shown({ target: 'none' })).toEqual([])
  })
})

describe('an exchange that goes by itself', () => {
  const auto = { type: 'fanout', isAutoDelete: true } as const

  it('goes with its last binding as a source, and not before it had one', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q', 'r'))
    await one.declare('x', auto)
    await one.bind('amq.fanout', 'x', { targetKind: 'exchange' })
    await one.unbind('amq.fanout', 'x', { targetKind: 'exchange' })
    await one.bind('x', 'q')
    await one.bind('x', 'r')
    await one.bind('amq.fanout', 'x', { targetKind: 'exchange' })
    await one.unbind('x', 'q')
    expect(one.exchangeNames()).toEqual(['x'])
    await one.unbind('x', 'r')
    expect(one.exchangeNames()).toEqual([])
    expect(one.registry.get('/', 'amq.fanout').bindingCount).toBe(0)
    const next = await one.reopen()
    expect(next.exchangeNames()).toEqual([])
    expect(next.stored('binding/')).toEqual([])
  })

  it('takes others with it in one change, also in a circle', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q'))
    for (const name of ['a', 'b', 'c', 'd']) await one.declare(name, auto)
    for (const [from, to] of ['ab', 'bc', 'ca', 'dc'].map((pair) => [pair[0]!, pair[1]!]))
      await one.bind(from!, to!, { targetKind: 'exchange' })
    await one.bind('c', 'q')
    await one.unbind('c', 'q')
    // c still leads to a.
    expect(one.exchangeNames()).toEqual(['a', 'b', 'c', 'd'])
    const commitCount = one.commitCount
    await one.unbind('c', 'a', { targetKind: 'exchange' })
    expect(one.exchangeNames()).toEqual([])
    expect(one.commitCount).toBe(commitCount + 1)
    expect((await one.reopen()).stored('exchange/')).toEqual([])
  })

  it('goes with the queue that it led to last, in the same change as the queue', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q', 'r', 'temporary'))
    await one.declare('x', auto)
    await one.declare('y', auto)
    await one.bind('y', 'x', { targetKind: 'exchange' })
    for (const routingKey of ['1', '2']) await one.bind('x', 'q', { routingKey })
    await one.bind('amq.fanout', 'q')
    await one.bind('amq.fanout', 'r')
    await one.bind('amq.fanout', 'temporary')
    const offset = one.bench.store.logs.ensure(0, { segmentBytes: 1, segmentMs: 1 }).highWatermark
    await one.removeTarget('q')
    expect(one.exchangeNames()).toEqual([])
    expect(one.route('amq.fanout')).toEqual(['r', 'temporary'])
    await one.removeTarget('temporary')
    expect(one.route('amq.fanout')).toEqual(['r'])
    expect(one.bench.store.logs.ensure(0, { segmentBytes: 1, segmentMs: 1 }).highWatermark)
      // Of q: itself, four bindings, two exchanges. Of the temporary one: itself.
      .toBe(offset + 7 + 1)
    const next = await one.reopen()
    expect(next.stored('binding/')).toHaveLength(1)
  })
})

describe('what is not durable', () => {
  it('is ordered with the rest and never written', async () => {
    const one = await RegistryBench.open(newWorld(), ends('q', 'temporary'))
    await one.declare('x', { type: 'fanout' })
    const commitCount = one.commitCount
    await one.declare('temporary x', { type: 'fanout', isDurable: false })
    await one.bind('x', 'temporary')
    await one.bind('temporary x', 'q')
    await one.bind('x', 'temporary x', { targetKind: 'exchange' })
    expect(one.route('x')).toEqual(['q', 'temporary'])
    await one.bind('temporary x', 'temporary')
    await one.unbind('temporary x', 'temporary')
    expect(one.commitCount).toBe(commitCount)
    const next = await one.reopen()
    expect(next.exchangeNames()).toEqual(['x'])
    expect(next.route('x')).toEqual([])
  })
})
