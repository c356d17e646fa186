/**
 * Installs what `debian-packages.txt` lists and this machine lacks. It asks nothing, waits for another
 * package manager to finish, and starts no service. Without root it prints the line to run; under
 * `CI=true` that is a failure, elsewhere the tests that need the package say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { inRoot } from './lib/workspace.mjs'

const policy = '/usr/sbin/policy-rc.d'
const lockSecondsMax = 300

const wanted = () =>
  readFileSync(inRoot('tools', 'debian-packages.txt'), 'utf8')
    .split('\n')
    .filter((line) => line.trim() && !line.startsWith('#'))
    .map((line) => line.split(/\s+/)[0])

const isInstalled = (name) => {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], {
    encoding: 'utf8',
  })
  return stdout?.trim() === 'installed'
}

const options = ['-y', '-q', '-o', `DPkg::Lock::Timeout=${lockSecondsMax}`]

const apt = (...parameters) =>
  spawnSync('apt-get', [...options, ...parameters], {
    encoding: 'utf8',
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l', LC_ALL: 'C' },
  })

const isLocked = ({ status, stderr }) => status !== 0 && /could not get lock/i.test(stderr)

const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** apt waits for dpkg's lock by itself, and not for the lock on its lists. */
const aptWhenFree = (...parameters) => {
  const deadline = Date.now() + lockSecondsMax * 1000
  let result = apt(...parameters)
  while (isLocked(result) && Date.now() < deadline) {
    console.log('Waiting for another package manager …')
    pause(3000)
    result = apt(...parameters)
  }
  if (result.status !== 0) console.error(result.stderr)
  return result.status === 0
}

/** A policy that answers 101 keeps packages from starting their service; an own one stays as it is. */
const withoutServices = (action) => {
  const isOurs = !existsSync(policy)
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return action()
  } finally {
    if (isOurs) rmSync(policy, { force: true })
  }
}

const install = (names) =>
  aptWhenFree('update') &&
  withoutServices(() => aptWhenFree('--no-install-recommends', 'install', ...names))

const explain = (reason, names) => {
  console.log(`${reason}. To run every test, install the packages with:`)
  console.log(`  sudo apt-get install --no-install-recommends ${names.join(' ')}`)
  return process.env.CI !== 'true'
}

/** Whether the tests can go on. */
export const ensureDebianPackages = (names = wanted()) => {
  if (!existsSync('/usr/bin/dpkg-query')) return explain('This is not a Debian system', names)
  const missing = names.filter((name) => !isInstalled(name))
  if (missing.length === 0) return true
  if (process.getuid() !== 0) return explain('Not root', missing)
  console.log(`Installing ${missing.join(' ')} …`)
  return install(missing) && missing.every(isInstalled)
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = ensureDebianPackages() ? 0 : 1
}
