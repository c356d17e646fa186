/** `npm run bench`: builds what is stale and measures; arguments go to the bench (`--help` lists them). */
import { existsSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { buildTypes } from './lib/command.mjs'
import { inRoot } from './lib/workspace.mjs'

const bench = inRoot('tools', 'dist', 'bench', 'main.js')

const { code } = await buildTypes(['tools'])
if (code !== 0 || !existsSync(bench)) {
  console.error(`There is no ${bench}: the build failed, see above.`)
  process.exitCode = 1
} else {
  const child = spawn(process.execPath, [bench, ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('exit', (exitCode) => (process.exitCode = exitCode ?? 1))
}
