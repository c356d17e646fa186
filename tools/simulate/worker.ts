/** A thread that runs the seeds it is given, one after the other, and reports each. */
import { parentPort } from 'node:worker_threads'
import { runSeedChecked } from './seed-report.ts'

const port = parentPort
port?.on('message', (seed: number) => {
  void runSeedChecked(seed).then((report) => port.postMessage(report))
})
