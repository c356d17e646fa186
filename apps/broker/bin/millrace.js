#!/usr/bin/env node
// Committed, so that `npx millrace` works as soon as the workspace is built.
import module from 'node:module'

// Newer Nodes keep compiled code on disk between starts.
module.enableCompileCache?.()

try {
  await import('../dist/main.js')
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write(
    `error: millrace is not built: ${error.message}\nnext:  run \`npm run build\`\n`,
  )
  process.exitCode = 1
}
