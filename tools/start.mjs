/**
 * `npm start`: a broker on this machine with its data in `./.millrace`. In a fresh clone it first
 * installs and builds. Further arguments go to `millrace dev`: `npm start -- --native-port 0`.
 */
import './lib/require-node.mjs'

import('./lib/start.mjs').then((module) => module.start(process.argv.slice(2)))
