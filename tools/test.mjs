/**
 * `npm test`: installs what is missing, then everything at the depth of CI; with `--deep` the full
 * counts. The last line is `N passed, N failed`, over the tests of every runner.
 */
import './lib/require-node.mjs'

const { ensureDebianPackages } = await import('./install-debian-packages.mjs')
const { ensureInstalled } = await import('./lib/install.mjs')
const { runSuites } = await import('./lib/run-suites.mjs')
const { checkSuites, endToEnd, mutants, preparation, simulate } = await import('./lib/suites.mjs')

const isDeep = process.argv.includes('--deep')
const seeds = isDeep ? 50_000 : 2_000

await runSuites([
  { ...preparation('packages', ensureInstalled), isRequired: true },
  { ...preparation('debian packages', ensureDebianPackages), isRequired: true },
  ...checkSuites,
  simulate(seeds, isDeep),
  mutants(2_000, isDeep),
  endToEnd(isDeep),
])
