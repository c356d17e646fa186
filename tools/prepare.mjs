/**
 * The first half of `npm start`: in a fresh clone, or after a change, it installs and builds what the
 * broker needs, and nothing else. The broker then takes the shell's place (`exec`), so that signals,
 * exit code and process id are its own.
 */
import './lib/require-node.mjs'

const { buildTypes } = await import('./lib/command.mjs')
const { ensureInstalled, isInstallStale } = await import('./lib/install.mjs')

const build = async () => {
  const { code } = await buildTypes(['apps/broker'])
  if (code !== 0) console.error('The build failed: the lines above say where.')
  return code === 0
}

const isFirst = isInstallStale()
if (!(await ensureInstalled())) process.exitCode = 1
else {
  if (isFirst) console.log('Building …')
  if (!(await build())) process.exitCode = 1
}
