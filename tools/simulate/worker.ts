/** A thread that runs the seeds it is given, one after the other, and reports each. */
import { parentPort, workerData } from 'node:worker_threads'
import { runSeedChecked } from './seed-report.ts'

const port = parentPort
const { hasQueues } = workerData as { readonly hasQueues: boolean }
port?.on('message', (seed: number) => {
  void runSeedChecked(seed, hasQueues).then((report) => port.postMessage(report))
})
