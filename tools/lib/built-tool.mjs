/** Builds what is stale and runs one of the tools written in TypeScript, with the caller's arguments. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { buildTypes } from './command.mjs'
import { inRoot } from './workspace.mjs'

export const runBuiltTool = async (name) => {
  const file = inRoot('tools', 'dist', name, 'main.js')
  const { code } = await buildTypes(['tools'])
  if (code !== 0 || !existsSync(file)) {
    console.error(`There is no ${file}: the build failed, see above.`)
    process.exitCode = 1
    return
  }
  const child = spawn(process.execPath, [file, ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('exit', (exitCode) => (process.exitCode = exitCode ?? 1))
}
