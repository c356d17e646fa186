/** `npm run check`: types, format, lint with module boundaries, unit tests, the tools' own tests. */
import './lib/require-node.mjs'

const { ensureInstalled } = await import('./lib/install.mjs')
const { runSuites } = await import('./lib/run-suites.mjs')
const { checkSuites, preparation } = await import('./lib/suites.mjs')

const packages = { ...preparation('packages', ensureInstalled), isRequired: true }
await runSuites([packages, ...checkSuites])
