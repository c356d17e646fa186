/** `npm run bench`: builds what is stale and measures; arguments go to the bench (`--help` lists them). */
import './lib/require-node.mjs'

const { runBuiltTool } = await import('./lib/built-tool.mjs')
await runBuiltTool('bench')
