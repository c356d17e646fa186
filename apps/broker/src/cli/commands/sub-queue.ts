/**
 * `millrace sub queue:NAME`: the messages of a queue on standard output. With `--ack` they are done
 * once they are printed; without it the command only looks, and at its end they go back.
 */
import type { Client, Delivery, Queue } from '@millrace/client-node'
import { UsageError } from '../failure.ts'
import { writeOut } from '../output.ts'
import { formatQueuedLine, formatQueuedPayload } from '../queue-message-format.ts'
import { withLastingClient } from '../with-client.ts'
import type { SubOptions } from './sub.ts'

type Bytes = Uint8Array

/** What is printed stays unsettled without `--ack`, so that it does not come again meanwhile. */
const LOOKED_AT_MAX = 65_536
const PREFETCH = 1_000

const checkOptions = ({ from, partition }: SubOptions): void => {
  const next = 'leave it out for a queue'
  if (from !== undefined) throw new UsageError('--from is for topics', next)
  if (partition !== undefined) throw new UsageError('--partition is for topics', next)
}

export const subscribeToQueue = async (name: string, options: SubOptions): Promise<void> => {
  checkOptions(options)
  await withLastingClient(options, async (client) => {
    const queue = client.queue<Bytes>(name, { codec: 'bytes' })
    const printer = new DeliveryPrinter(options)
    if (options.follow === false) await printWhatIsThere(queue, printer)
    else await printAsItComes(queue, printer, options)
    await finish(client, printer)
  })
}

class DeliveryPrinter {
  readonly #format: (delivery: Delivery<Bytes>) => string | Uint8Array
  readonly #isAcknowledging: boolean
  #missing: number
  leftCount = 0

  constructor({ output, ack = false, count = Infinity }: SubOptions) {
    this.#format = output === 'jsonl' ? formatQueuedLine : formatQueuedPayload
    this.#isAcknowledging = ack
    this.#missing = count
  }

  /** False when it was the last one. */
  async print(delivery: Delivery<Bytes>): Promise<boolean> {
    await writeOut(this.#format(delivery))
    if (this.#isAcknowledging) void delivery.ack()
    else this.leftCount += 1
    this.#missing -= 1
    return this.#missing > 0
  }
}

/** Each is taken by itself, until none is ready. */
const printWhatIsThere = async (queue: Queue<Bytes>, printer: DeliveryPrinter): Promise<void> => {
  for (;;) {
    const delivery = await queue.get()
    if (delivery === undefined || !(await printer.print(delivery))) return
  }
}

const printAsItComes = async (
  queue: Queue<Bytes>,
  printer: DeliveryPrinter,
  { ack = false, count }: SubOptions,
): Promise<void> => {
  const most = ack ? PREFETCH : LOOKED_AT_MAX
  const consumer = queue.consume({ prefetch: Math.min(most, count ?? most) })
  const onInterrupt = (): void => void consumer.close()
  process.once('SIGINT', onInterrupt)
  process.once('SIGTERM', onInterrupt)
  try {
    for await (const delivery of consumer) if (!(await printer.print(delivery))) break
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onInterrupt)
  }
}

/** What was acknowledged is told before the connection ends. */
const finish = async (client: Client, { leftCount }: DeliveryPrinter): Promise<void> => {
  await client.drain()
  if (leftCount === 0 || !process.stderr.isTTY) return
  process.stderr.write(`${leftCount} messages go back to the queue: --ack takes them out\n`)
}
