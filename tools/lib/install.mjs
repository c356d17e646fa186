/**
 * Installs the npm packages when they are missing or not those of the lockfile, and leaves them alone
 * otherwise: a fresh clone is ready after one command, and a second run costs nothing.
 */
import { existsSync, statSync } from 'node:fs'
import { runNpm } from './command.mjs'
import { inRoot, readJson } from './workspace.mjs'

const lockfile = inRoot('package-lock.json')
const installed = inRoot('node_modules', '.package-lock.json')

const isForThisMachine = (entry) =>
  (!entry.os || entry.os.includes(process.platform)) &&
  (!entry.cpu || entry.cpu.includes(process.arch))

/** A newer date alone may come from a checkout, so the versions decide. */
const differs = () => {
  const wanted = Object.entries(readJson(lockfile).packages)
  const present = readJson(installed).packages
  return wanted.some(
    ([path, entry]) =>
      path.startsWith('node_modules/') &&
      !entry.optional &&
      isForThisMachine(entry) &&
      present[path]?.version !== entry.version,
  )
}

export const isInstallStale = () =>
  !existsSync(installed) || (statSync(installed).mtimeMs < statSync(lockfile).mtimeMs && differs())

/** Resolves with whether the packages are there. No package runs a script of its own. */
export const ensureInstalled = async () => {
  if (!isInstallStale()) return true
  console.log('Installing npm packages (once; well under a minute) …')
  const parameters = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { code } = await runNpm(parameters)
  if (code !== 0) console.error('npm ci failed. Is the npm registry reachable?')
  return code === 0
}
