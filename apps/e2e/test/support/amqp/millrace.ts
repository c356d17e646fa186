/** Millrace as people run it, for an AMQP suite of its own. */
import { type LaunchedBroker, launchBroker } from '../broker.ts'
import { createScratch } from '../scratch.ts'
import type { AmqpBroker } from './brokers.ts'

const amqpPort = ({ ports }: LaunchedBroker): number => ports['amqp'] as number

export const launchMillrace = async (): Promise<AmqpBroker> => {
  const scratch = createScratch('amqp')
  const dataDir = scratch.next('data')
  let broker = await launchBroker({ dataDir })
  const [port, httpPort] = [amqpPort(broker), broker.httpPort]
  let output = ''
  return {
    name: 'millrace',
    port,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    webSocketUrl: `ws://127.0.0.1:${httpPort}/amqp`,
    pid: () => broker.pid,
    output: () => output + broker.stdout() + broker.stderr(),
    kill: async () => {
      await broker.kill()
      output += broker.stdout() + broker.stderr()
    },
    start: async () => {
      const args = ['--amqp-port', String(port), '--http-port', String(httpPort)]
      broker = await launchBroker({ dataDir, args })
    },
    release: async () => {
      await broker.stop()
      scratch.remove()
    },
  }
}
