/**
 * What `npm start` does: packages, build, broker. The broker runs in this process, so signals, exit
 * code and process id are its own.
 */
import { pathToFileURL } from 'node:url'
import { buildTypes } from './command.mjs'
import { ensureInstalled } from './install.mjs'
import { inRoot } from './workspace.mjs'

const command = inRoot('apps', 'broker', 'bin', 'millrace.js')

const prepare = async () => {
  if (!(await ensureInstalled())) return false
  const began = Date.now()
  const { code } = await buildTypes(['apps/broker'])
  if (Date.now() - began > 3000) console.log('Built.')
  if (code !== 0) console.error('The build failed: the lines above say where.')
  return code === 0
}

export const start = async (parameters) => {
  if (!(await prepare())) {
    process.exitCode = 1
    return
  }
  process.argv = [process.execPath, command, 'dev', '--data-dir', './.millrace', ...parameters]
  await import(pathToFileURL(command).href)
}
