/**
 * Adds to `package-lock.json` the builds for other systems that `npm install` leaves out when its
 * registry does not have them. `npm ci` refuses a lockfile without them, wherever it runs, and never
 * fetches them where they do not fit. Run it after `npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { missingOptional } from './lib/lockfile.mjs'
import { inRoot } from './lib/workspace.mjs'

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/** The last part of the name says what it is for: `…-linux-arm-gnueabihf`, `…-darwin-arm64`. */
const platformOf = (name) => {
  const words = name.split('/').at(-1).split('-')
  return {
    os: systems.filter((system) => words.includes(system)),
    cpu: processors.filter((processor) => words.includes(processor)),
  }
}

const entryOf = ({ name, version, from }, packages) => {
  const { os, cpu } = platformOf(name)
  if (os.length === 0 || !/^\d/.test(version)) {
    throw new Error(`cannot tell what ${name} ${version} is for: run npm install where it exists`)
  }
  return { version, cpu, ...(packages[from].dev ? { dev: true } : {}), optional: true, os }
}

const file = inRoot('package-lock.json')
const lockfile = JSON.parse(readFileSync(file, 'utf8'))
const { '': root, ...packages } = lockfile.packages
const missing = missingOptional(lockfile.packages)
for (const one of missing) packages[`node_modules/${one.name}`] = entryOf(one, packages)
const sorted = Object.fromEntries(
  Object.keys(packages)
    .sort()
    .map((path) => [path, packages[path]]),
)
if (missing.length > 0) {
  writeFileSync(
    file,
    `${JSON.stringify({ ...lockfile, packages: { '': root, ...sorted } }, null, 2)}\n`,
  )
}
console.log(`${missing.length} packages added to package-lock.json`)
