/** The grammar of `queue`, `exchange` and `binding`. What they do is imported when they run. */
import { type Command, InvalidArgumentError, Option } from 'commander'

const urlOption = (): Option =>
  new Option(
    '--url <url>',
    'broker to talk to (or MILLRACE_URL; default millrace://127.0.0.1:7420)',
  )

const outputOption = (): Option =>
  new Option('--output <form>', 'form of the output').choices(['table', 'json', 'jsonl'])

const list = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
]

const atLeastOne = (text: string): number => {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('write a whole number of at least 1')
}

type Sub = (usage: string, text: string) => Command

const subOf =
  (parent: Command): Sub =>
  (usage, text) =>
    parent.command(usage).description(text).addOption(urlOption()).addOption(outputOption())

const queueSettable = (command: Command): Command =>
  command
    .option('--message-ttl <time>', 'how long a message waits before it expires, such as 10m')
    .option('--expires <time>', 'the queue goes when it was not used for so long')
    .option('--length-max <count>', 'messages that may wait')
    .option('--bytes-max <size>', 'bytes of messages that may wait, such as 1gb')
    .option('--overflow <policy>', 'drop-head, reject or reject-dead-letter')
    .option('--dead-letter-exchange <name>', 'where messages go that expire or are given up')
    .option('--dead-letter-key <key>', 'routing key of those')
    .option('--delivery-limit <count>', 'returned more often, a message is given up')
    .option('--redelivery-delay <time>', 'what comes back waits so long, times how often it did')
    .option('--redelivery-delay-max <time>', 'and no longer than this')
    .option('--redelivery-delay-of <what>', 'all, failed or returned')
    .option('--delivery-timeout <time>', 'how long a delivery may stay unsettled')
    .option('--dedup-window <time>', 'drop a message id that comes again within this time')
    .option('--retention <time>', 'keep settled messages for replay')
    .option('--set <name=value>', 'another setting, such as isKeyOrdered=true', list)

const addQueueDefinitions = (sub: Sub): void => {
  queueSettable(sub('create <queue>', 'create a queue'))
    .option('--transient', 'it does not survive a restart')
    .option('--auto-delete', 'it goes with its last consumer')
    .option('--priority-max <number>', 'messages have priorities up to this')
    .option('--single-active-consumer', 'one consumer gets everything, the others stand by')
    .option('--key-ordered', 'messages of one key are handled one after the other')
    .option('--topic <name>', 'a view of this topic: each record to one consumer')
    .option('--stream', 'the queue is the topic of its name')
    .action(async (name: string, options: object) => {
      const { createQueue } = await import('./commands/queue.ts')
      await createQueue(name, options)
    })
  sub('list', 'list queues')
    .option('--prefix <text>', 'only names that begin so')
    .action(async (options: object) => {
      const { listQueues } = await import('./commands/queue.ts')
      await listQueues(options)
    })
  sub('describe <queue>', 'show what a queue holds, its counters and settings').action(
    async (name: string, options: object) => {
      const { describeQueue } = await import('./commands/queue.ts')
      await describeQueue(name, options)
    },
  )
  queueSettable(sub('alter <queue>', 'change settings in place'))
    .option('--reset <name>', 'take a setting back to its default', list)
    .action(async (name: string, options: object) => {
      const { alterQueue } = await import('./commands/queue.ts')
      await alterQueue(name, options)
    })
  sub('delete <queue>', 'delete a queue and its messages')
    .option('--yes', 'do not ask')
    .option('--if-unused', 'only if nobody consumes from it')
    .option('--if-empty', 'only if no message is ready')
    .action(async (name: string, options: object) => {
      const { deleteQueue } = await import('./commands/queue.ts')
      await deleteQueue(name, options)
    })
}

const addQueueCare = (queue: Command, sub: Sub): void => {
  queue
    .command('peek <queue>')
    .description('print messages from the front, and leave them')
    .addOption(urlOption())
    .option('--count <number>', 'how many, at most 1000', atLeastOne, 10)
    .addOption(
      new Option('--output <form>', 'payloads, or one JSON object a line')
        .choices(['text', 'jsonl'])
        .default('text'),
    )
    .action(async (name: string, options: { count: number }) => {
      const { peekQueue } = await import('./commands/queue-care.ts')
      await peekQueue(name, options)
    })
  sub('purge <queue>', 'remove the messages that wait')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: object) => {
      const { purgeQueue } = await import('./commands/queue-care.ts')
      await purgeQueue(name, options)
    })
  sub('move <queue> <target>', 'move messages to queue:NAME, or exchange:NAME or exchange:NAME/KEY')
    .option('--count <number>', 'so many, from the front', atLeastOne)
    .action(async (name: string, target: string, options: object) => {
      const { moveMessages } = await import('./commands/queue-care.ts')
      await moveMessages(name, target, options)
    })
  sub('replay <queue>', 'make settled messages ready again, where the queue keeps them')
    .requiredOption('--since <time>', 'an ISO time, or how long ago, such as 1h')
    .action(async (name: string, options: { since: string }) => {
      const { replayQueue } = await import('./commands/queue-care.ts')
      await replayQueue(name, options)
    })
}

const routingTypes: readonly string[] = [
  'direct',
  'topic',
  'fanout',
  'headers',
  'consistent-hash',
  'modulus-hash',
  'random',
]

const addExchangeCommands = (program: Command): void => {
  const exchange = program
    .command('exchange')
    .description('create, list, describe, delete exchanges')
  const sub = subOf(exchange)
  sub('create <exchange>', 'create an exchange')
    .addOption(
      new Option('--type <type>', 'how it routes')
        .choices([...routingTypes, 'delayed'])
        .default('direct'),
    )
    .option('--transient', 'it does not survive a restart')
    .option('--auto-delete', 'it goes with the last binding from it')
    .option('--internal', 'only other exchanges lead to it')
    .option('--alternate-exchange <name>', 'takes what this one leads nowhere')
    .option('--hash-header <name>', 'of consistent-hash: hashed instead of the routing key')
    .addOption(
      new Option('--delayed-type <type>', 'of delayed: how it routes what is due').choices(
        routingTypes,
      ),
    )
    .action(async (name: string, options: object) => {
      const { createExchange } = await import('./commands/exchange.ts')
      await createExchange(name, options)
    })
  sub('list', 'list exchanges')
    .option('--prefix <text>', 'only names that begin so')
    .action(async (options: object) => {
      const { listExchanges } = await import('./commands/exchange.ts')
      await listExchanges(options)
    })
  sub('describe <exchange>', 'show settings and bindings').action(
    async (name: string, options: object) => {
      const { describeExchange } = await import('./commands/exchange.ts')
      await describeExchange(name, options)
    },
  )
  sub('delete <exchange>', 'delete an exchange and its bindings')
    .option('--yes', 'do not ask')
    .option('--if-unused', 'only if no binding leads from it')
    .action(async (name: string, options: object) => {
      const { deleteExchange } = await import('./commands/exchange.ts')
      await deleteExchange(name, options)
    })
}

const bindingText = `
A target is queue:NAME, topic:NAME or exchange:NAME.

  millrace binding create amq.topic topic:telemetry --key 'devices.#'
  millrace binding create by-kind queue:pdfs --header kind=pdf --match all`

const addBindingCommands = (program: Command): void => {
  const binding = program
    .command('binding')
    .description('create, list, delete bindings of exchanges')
    .addHelpText('after', bindingText)
  const sub = subOf(binding)
  const change = (verb: 'create' | 'delete', text: string): void => {
    sub(`${verb} <exchange> <target>`, text)
      .option('--key <key>', 'routing key, or a pattern of a topic exchange')
      .option('--header <name=value>', 'of a headers exchange; NAME alone: it must be there', list)
      .addOption(
        new Option('--match <how>', 'of a headers exchange').choices([
          'all',
          'any',
          'all-with-x',
          'any-with-x',
        ]),
      )
      .addHelpText('after', bindingText)
      .action(async (exchange: string, target: string, options: object) => {
        const commands = await import('./commands/binding.ts')
        const run = verb === 'create' ? commands.createBinding : commands.deleteBinding
        await run(exchange, target, options)
      })
  }
  change('create', 'lead messages from an exchange to a target')
  change('delete', 'remove the binding that is just so')
  sub('list [exchange]', 'list bindings, all or those from an exchange')
    .option('--target <target>', 'only those that lead there')
    .action(async (exchange: string | undefined, options: object) => {
      const { listBindings } = await import('./commands/binding.ts')
      await listBindings(exchange, options)
    })
}

export const addMessagingCommands = (program: Command): void => {
  const queue = program
    .command('queue')
    .description('create, list, describe, alter, delete queues; peek, purge, move, replay')
  const sub = subOf(queue)
  addQueueDefinitions(sub)
  addQueueCare(queue, sub)
  addExchangeCommands(program)
  addBindingCommands(program)
}
