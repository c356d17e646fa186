import { LINES_PER_SECOND_MAX, throttleLog } from '../src/log-throttle.ts'
import { ManualEnvironment } from './support/manual-environment.ts'

it('writes so many lines of an event a second, and then says how many it kept back', () => {
  const environment = new ManualEnvironment()
  const log = throttleLog(environment.log, environment.clock)
  for (let index = 0; index < LINES_PER_SECOND_MAX; index++) log.warn('refused', { index })
  expect(environment.lines).toHaveLength(LINES_PER_SECOND_MAX)
  log.warn('refused')
  log.warn('refused')
  log.warn('another')
  expect(environment.lines).toHaveLength(LINES_PER_SECOND_MAX + 1)
  environment.advance(1_000)
  log.warn('refused', { peer: 'x' })
  expect(environment.lines.at(-1)?.fields).toEqual({ peer: 'x', suppressed: 2 })
})
