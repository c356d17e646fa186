/**
 * Loaded before anything else by processes of a profiled bench (`--import`): samples the main thread
 * from start to exit. `node --cpu-prof` does the same, but cannot be asked for through the
 * environment, and the broker is started by its own command.
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { basename, join } from 'node:path'

const SAMPLING_US = 500

const directory = process.env['BENCH_PROFILE_DIR']

if (directory !== undefined) {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: SAMPLING_US })
  session.post('Profiler.start')
  process.on('exit', () => {
    session.post('Profiler.stop', (error, result) => {
      if (error !== null) return
      const program = basename(process.argv[1] ?? 'node').replace(/\.js$/, '')
      const role = process.env['BENCH_ROLE'] ?? program
      const file = join(directory, `${role}-${process.pid}.cpuprofile`)
      writeFileSync(file, JSON.stringify(result.profile))
    })
  })
}
