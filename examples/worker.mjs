// Sends jobs to a queue and works them off, two at a time. What fails is tried again after a while,
// and ends in the queue `failed-jobs` when it failed three times.
//
//   node examples/worker.mjs [count]
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '@millrace/client-node'

const [count = '5'] = process.argv.slice(2)
const client = await connect()

const failed = client.queue('failed-jobs')
await failed.declare()
const jobs = client.queue('jobs')
// What is given up goes through the empty exchange, which leads to the queue of that name.
await jobs.declare({ deadLetterExchange: '', deadLetterKey: 'failed-jobs' })

const handle = async ({ payload: { number } }, { attempt }) => {
  await pause(50)
  if (number === 3) throw new Error('job 3 never works')
  console.log(`job ${number} is done${attempt > 1 ? `, at attempt ${attempt}` : ''}`)
}
const worker = client.work(jobs, handle, {
  concurrency: 2,
  retries: 2,
  backoff: { delayMsMin: 100, delayMsMax: 1_000 },
  onFailure: ({ error, attempt, willRetry }) =>
    console.log(`${error.message} (attempt ${attempt}${willRetry ? '' : ', given up'})`),
})

for (let number = 1; number <= Number(count); number++) await jobs.send({ number })

// A real worker goes on: this one ends when there is nothing left to do.
for (let left = 1; left > 0; await pause(100)) {
  const { ready, inFlight } = await jobs.describe()
  left = ready + inFlight
}
await worker.close()
console.log(`${(await failed.describe()).ready} in failed-jobs`)
await client.drain()
