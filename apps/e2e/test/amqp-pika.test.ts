/** Debian's python3-pika against both brokers; what it checks is in python/amqp_pika.py. */
import { type AmqpBroker, amqpBrokers } from './support/amqp/brokers.ts'
import { directoryOf, runAgainst } from './support/amqp/programs.ts'
import { debianPython } from './support/debian-python.ts'
import { report } from './support/depth.ts'

describe.each(amqpBrokers)('pika and $name', ({ launch }) => {
  let broker: AmqpBroker

  beforeAll(async () => {
    broker = await launch()
  })

  afterAll(async () => {
    await broker?.release()
  })

  it.each([
    ['a blocking connection', 'Blocking', 14],
    ['a blocking connection through a kill', 'BlockingThroughAKill', 1],
    ['a select connection', 'Select', 1],
  ])('%s', async (_name, tests, countMin) => {
    const { code, output } = await runAgainst(
      broker,
      [debianPython, '-m', 'unittest', `amqp_pika.${tests}`],
      { cwd: directoryOf('python') },
    )
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/OK\s*$/) as string })
    const [, count] = /^Ran (\d+) tests?/m.exec(output) ?? []
    report(`${tests}: ${count} tests`)
    expect(Number(count)).toBeGreaterThanOrEqual(countMin)
  })
})
