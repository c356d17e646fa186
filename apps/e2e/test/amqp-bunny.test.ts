/** Debian's ruby-bunny against both brokers; what it checks is in ruby/amqp_bunny.rb. */
import { type AmqpBroker, amqpBrokers } from './support/amqp/brokers.ts'
import { directoryOf, runAgainst } from './support/amqp/programs.ts'
import { report } from './support/depth.ts'

describe.each(amqpBrokers)('bunny and $name', ({ launch }) => {
  let broker: AmqpBroker

  beforeAll(async () => {
    broker = await launch()
  })

  afterAll(async () => {
    await broker?.release()
  })

  it('does what its users do with it, through a kill', async () => {
    const { code, output } = await runAgainst(broker, ['/usr/bin/ruby', 'amqp_bunny.rb'], {
      cwd: directoryOf('ruby'),
    })
    const passed = output.split('\n').filter((line) => line.startsWith('ok '))
    report(`bunny: ${passed.length} tests`)
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringContaining('all is well') as string,
    })
    expect(passed.length).toBeGreaterThanOrEqual(9)
  })
})
