/**
 * `npm run lint`: the whole repository in one process, whose one program of types is built once.
 * Nx renews the project graph first: the boundaries are read from its cache, and a package that the
 * cache does not know would pass unnoticed. Arguments go to ESLint (`--fix`).
 */
import './lib/require-node.mjs'

const { refreshProjectGraph, runLint } = await import('./lib/command.mjs')

const graph = await refreshProjectGraph()
const { code } = graph.code === 0 ? await runLint(process.argv.slice(2)) : graph
process.exitCode = code
