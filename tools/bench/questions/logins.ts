/** What does a login cost whose password was verified a moment ago? */
import { writeFile } from 'node:fs/promises'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { kernelFact, rateFact, round, shareOfCore } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf, sum } from '../statistics.ts'
import type { Counted } from '../tasks/log-in.ts'
import type { RawLogin } from '../tasks/raw-connection.ts'
import type { Worker } from '../worker.ts'

const RUN_MS = 1_000
const LOGINS = 3_000
const QUICK_LOGINS = 50
const TOGETHER = 16
const CONNECTIONS = 4
const WINDOW_COUNT = 64
const CACHED_US_MAX = 50

const login: RawLogin = { user: 'bench', password: 'a password of the bench' }

/** With a single user, the administrator, everybody has to log in. */
const brokerWithUser = async (bench: Bench): Promise<BrokerUnderTest> => {
  const passwordFile = bench.path('password')
  await writeFile(passwordFile, login.password, { mode: 0o600 })
  return bench.broker({
    settings: {
      MILLRACE_AUTH__BOOTSTRAP_USER: login.user,
      MILLRACE_AUTH__BOOTSTRAP_PASSWORD_FILE: passwordFile,
    },
  })
}

const microsecondsOf = ({ brokerCpuMs, result }: Costs<Counted>): number =>
  (brokerCpuMs * 1000) / result.count

const ratesOf = (runs: readonly Costs<Counted>[]): number[] =>
  runs.map(({ result }) => result.count / (result.elapsedMs / 1000))

const costFact = (name: string, runs: readonly Costs<Counted>[]): string => {
  const cpuMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  const count = sum(runs.map(({ result }) => result.count))
  const generatorMs = sum(runs.map(({ generatorCpuMs }) => generatorCpuMs))
  return (
    `${name}: ${round((cpuMs * 1000) / count, 1)} µs of the broker's CPU each, ` +
    `${shareOfCore(cpuMs, elapsedMs)}; generator ${shareOfCore(generatorMs, elapsedMs)}`
  )
}

/** Open connections log in again: the login itself, with a frame and its answer around it. */
const measureCached = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
): Promise<Row> => {
  const runAs = (isBare: boolean): Promise<Costs<Counted>> =>
    bench.costsOf(broker, generator, () =>
      generator.run('renewLogin', {
        url: broker.url,
        login,
        durationMs: bench.runMs(RUN_MS),
        connectionCount: CONNECTIONS,
        windowCount: WINDOW_COUNT,
        isBare,
      }),
    )
  // Not measured: the first verifies the password, and the code gets hot.
  await runAs(false)
  await runAs(true)
  const { first, second } = await interleave(
    bench.repeats,
    () => runAs(false),
    () => runAs(true),
  )
  return {
    label: "broker's CPU for a login on an open connection, password verified before",
    unit: 'µs',
    measured: spreadOf(first.map(microsecondsOf)),
    target: { bound: 'at most', value: CACHED_US_MAX },
    facts: [
      rateFact('logins', ratesOf(first), 'a second'),
      rateFact('PING instead', ratesOf(second), 'a second'),
      costFact('login', first),
      costFact('PING instead', second),
      kernelFact('login', first),
    ],
  }
}

const logInOver = (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  who: { readonly login?: RawLogin },
): Promise<Costs<Counted>> =>
  bench.costsOf(broker, generator, () =>
    generator.run('logIn', {
      ...who,
      url: broker.url,
      loginCount: bench.size(LOGINS, QUICK_LOGINS),
      togetherCount: TOGETHER,
    }),
  )

/** Whole connections: with a password, and of another broker that asks for none. */
const measureConnections = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
): Promise<Row> => {
  const open = await bench.broker()
  const withPassword = (): Promise<Costs<Counted>> => logInOver(bench, broker, generator, { login })
  const anonymously = (): Promise<Costs<Counted>> => logInOver(bench, open, generator, {})
  await withPassword()
  await anonymously()
  const { first, second } = await interleave(bench.repeats, withPassword, anonymously)
  const ratios = spreadOf(ratiosOf(ratesOf(first), ratesOf(second)))
  return {
    label: 'connections opened over TCP, logged in with a password and closed',
    unit: 'logins/s',
    measured: spreadOf(ratesOf(first)),
    target: undefined,
    facts: [
      rateFact('anonymous, of a broker without users', ratesOf(second), 'a second'),
      `with a password, of anonymous: ${round(ratios.median, 2)}`,
      costFact('with a password', first),
      costFact('anonymous', second),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await brokerWithUser(bench)
  const generator = bench.worker('generator')
  const rows = [
    await measureCached(bench, broker, generator),
    await measureConnections(bench, broker, generator),
  ]
  return { rows, durability: 'nothing is written' }
}

export const logins: Question = {
  name: 'logins',
  title: 'Logins with a password that was verified before',
  answer,
}
