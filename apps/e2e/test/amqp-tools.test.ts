/** Debian's amqp-tools, which is librabbitmq from a shell. */
import { type AmqpBroker, amqpBrokers, restart, unique } from './support/amqp/brokers.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/kafka-clients.ts'

describe.each(amqpBrokers)('amqp-tools and $name', ({ launch }) => {
  let broker: AmqpBroker
  let queue: string

  beforeAll(async () => {
    broker = await launch()
  })

  afterAll(async () => {
    await broker?.release()
  })

  const run = (tool: string, args: readonly string[], input = ''): Promise<string> =>
    runProgram(`amqp-${tool}`, ['-u', broker.url, ...args], input)

  const publish = (body: string, ...args: string[]): Promise<string> =>
    run('publish', ['-r', queue, '-b', body, ...args])

  beforeEach(async () => {
    queue = unique('tools')
    expect((await run('declare-queue', ['-d', '-q', queue])).trim()).toBe(queue)
  })

  afterEach(async () => {
    await run('delete-queue', ['-q', queue])
  })

  it('publishes and gets', async () => {
    await publish('hello', '-p', '-C', 'text/plain', '-H', 'kind: greeting')
    expect(await run('get', ['-q', queue])).toBe('hello')
    await expect(run('get', ['-q', queue])).rejects.toThrow('ended with 2')
  })

  it('publishes line by line, through an exchange', async () => {
    const bound = unique('bound')
    const consume = ['-q', bound, '-e', 'amq.topic', '-r', bound, '-c', '3', 'cat']
    const consuming = run('consume', consume)
    const publish = ['-e', 'amq.topic', '-r', bound, '-l']
    // It binds before it consumes, and until then messages find no way.
    await eventually('it consumes', () =>
      run('get', ['-q', bound]).catch((error: Error) => error.message.includes('ended with 2')),
    )
    await run('publish', publish, 'one\ntwo\nthree\n')
    expect(await consuming).toBe('one\ntwo\nthree\n')
    await run('delete-queue', ['-q', bound])
  })

  it('consumes with acks and a prefetch', async () => {
    for (const text of ['a', 'b', 'c']) await publish(text)
    const output = await run('consume', ['-q', queue, '-p', '1', '-c', '3', 'cat'])
    expect(output).toBe('abc')
    await expect(run('get', ['-q', queue])).rejects.toThrow('ended with 2')
  })

  it('leaves a message whose command failed', async () => {
    await publish('stays')
    await run('consume', ['-q', queue, '-c', '1', 'false']).catch(() => undefined)
    expect(await run('get', ['-q', queue])).toBe('stays')
  })

  it('finds its durable queue after a kill', async () => {
    await restart(broker)
    await publish('after', '-p')
    expect(await run('get', ['-q', queue])).toBe('after')
  })

  it('says what is wrong', async () => {
    await expect(run('get', ['-q', unique('none')])).rejects.toThrow(/404|NOT_FOUND/)
    const nowhere = ['-e', unique('none'), '-r', 'x', '-b', 'x']
    await expect(run('publish', nowhere)).rejects.toThrow('NOT_FOUND - no exchange')
    const wrong = broker.url.replace('guest:guest', 'guest:wrong')
    await expect(runProgram('amqp-get', ['-u', wrong, '-q', queue])).rejects.toThrow(/403|ACCESS/)
  })
})
