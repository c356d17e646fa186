/**
 * Debian's Celery: a worker as the `celery` command runs it, and an application that asks of it what
 * python/amqp_celery.py does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { directoryOf, runAgainst } from './support/amqp/programs.ts'
import { debianPython } from './support/debian-python.ts'
import { report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'

interface Worker {
  readonly child: ChildProcess
  output(): string
}

/** `celery` belongs to Debian's Python, whatever comes first on the path. */
const startWorker = (env: NodeJS.ProcessEnv): Worker => {
  const options = ['--concurrency', '2', '--loglevel', 'INFO', '--task-events', '--without-mingle']
  const child = spawn(
    debianPython,
    ['/usr/bin/celery', '-A', 'amqp_celery_tasks', 'worker', ...options],
    {
      cwd: directoryOf('python'),
      env: { ...process.env, ...env, PYTHONDONTWRITEBYTECODE: '1', C_FORCE_ROOT: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its pool is ended with it.
      detached: true,
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  return { child, output: () => output }
}

describe.each(amqpBrokers)('Celery and $name', ({ launch }) => {
  let broker: AmqpBroker
  let worker: Worker
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    broker = await launch()
    env = { AMQP_URL: broker.url, AMQP_PREFIX: unique('celery') }
    worker = startWorker(env)
    await eventually('the worker is ready', () => / ready\.$/m.test(worker.output()))
  })

  afterAll(async () => {
    const { child } = worker ?? {}
    if (child?.pid !== undefined && child.exitCode === null) {
      const ended = once(child, 'close')
      process.kill(-child.pid, 'SIGKILL')
      await ended
    }
    await broker?.release()
  })

  it('runs tasks as its users want them run, through a kill', async () => {
    const { code, output } = await runAgainst(broker, [debianPython, 'amqp_celery.py'], {
      cwd: directoryOf('python'),
      env,
    })
    const passed = output.split('\n').filter((line) => line.startsWith('ok '))
    report(`Celery: ${passed.length} tests`)
    const said = code === 0 ? output : `${output}\n${worker.output().slice(-3_000)}`
    expect({ code, said }).toEqual({
      code: 0,
      said: expect.stringContaining('all is well') as string,
    })
    expect(passed.length).toBeGreaterThanOrEqual(14)
  })
})
