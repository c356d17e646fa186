/** `npm run simulate`: builds what is stale and runs the simulator; arguments go to it. */
import './lib/require-node.mjs'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { buildTypes } from './lib/command.mjs'
import { inRoot } from './lib/workspace.mjs'

const simulator = inRoot('tools', 'dist', 'simulate', 'main.js')

const { code } = await buildTypes(['tools'])
if (code !== 0 || !existsSync(simulator)) {
  console.error(`There is no ${simulator}: the build failed, see above.`)
  process.exitCode = 1
} else {
  const child = spawn(process.execPath, [simulator, ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('exit', (exitCode) => (process.exitCode = exitCode ?? 1))
}
