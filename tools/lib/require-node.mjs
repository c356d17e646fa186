/** Stops with one clear line on a Node that is too old. Written so that an old Node can read it. */
import { readFileSync } from 'fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const floor = manifest.engines.node.replace('>=', '')
const numbers = (version) => version.split('.').map(Number)
const [major, minor] = numbers(process.versions.node)
const [floorMajor, floorMinor] = numbers(floor)

if (major < floorMajor || (major === floorMajor && minor < floorMinor)) {
  console.error(
    'Millrace needs Node ' + floor + ' or newer, and this is Node ' + process.versions.node + '.',
  )
  console.error('Install a newer one from https://nodejs.org, then try again.')
  process.exit(1)
}
