/**
 * The grammar of the command line. Only names, flags and texts stand here; what a command does is
 * imported when it runs, so that `millrace pub` does not pay for the broker.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { addIdentityCommands, addLoginOptions } from './identity-commands.ts'
import { addCareCommands } from './care-commands.ts'
import { addMessagingCommands } from './messaging-commands.ts'

const integer =
  (low: number) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value) && value >= low) return value
    throw new InvalidArgumentError(`write a whole number of at least ${low}`)
  }

const list = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
]

const urlOption = (): Option =>
  new Option(
    '--url <url>',
    'broker to talk to (or MILLRACE_URL; default millrace://127.0.0.1:7420)',
  )

const outputOption = (): Option =>
  new Option('--output <form>', 'form of the output').choices(['table', 'json', 'jsonl'])

/** Flags of `start`, `dev` and `config` that are settings: flag, placeholder, key, text. */
export const settingFlags = [
  ['--data-dir', 'directory', 'dataDir', 'where the data is'],
  ['--host', 'address', 'host', 'address to listen on; beyond loopback everybody has to log in'],
  [
    '--native-port',
    'port',
    'native.port',
    'port of the native protocol; 0 picks one, off disables',
  ],
  ['--http-port', 'port', 'http.port', 'port of health and metrics; 0 picks one, off disables'],
  ['--kafka-port', 'port', 'kafka.port', 'port of the Kafka protocol; 0 picks one, off disables'],
  ['--amqp-port', 'port', 'amqp.port', 'port of AMQP 0-9-1; 0 picks one, off disables'],
  ['--native-tls-port', 'port', 'native.tlsPort', 'the native protocol over TLS'],
  ['--http-tls-port', 'port', 'http.tlsPort', 'HTTP over TLS'],
  ['--kafka-tls-port', 'port', 'kafka.tlsPort', 'the Kafka protocol over TLS'],
  ['--amqp-tls-port', 'port', 'amqp.tlsPort', 'AMQP over TLS'],
  ['--tls-cert-file', 'file', 'tls.certFile', 'certificate and chain (PEM); turns TLS on'],
  ['--tls-key-file', 'file', 'tls.keyFile', 'its private key (PEM)'],
  ['--ready-file', 'file', 'readyFile', 'written once the broker serves'],
  ['--log-level', 'level', 'log.level', 'debug, info, warn, error or silent'],
  ['--log-format', 'format', 'log.format', 'auto, json or pretty'],
] as const

const addSettings = (command: Command): Command => {
  command.option('--config <file>', 'configuration file (YAML or JSON)')
  for (const [flag, placeholder, , text] of settingFlags) {
    command.option(`${flag} <${placeholder}>`, text)
  }
  return command
}

const addServerCommands = (program: Command): void => {
  addSettings(program.command('start'))
    .description('run the broker')
    .action(async (options: Record<string, string>) => {
      const { serve } = await import('./commands/serve.ts')
      await serve('start', options)
    })
  addSettings(program.command('dev'))
    .description('run a broker to develop against: topics are created on first use')
    .action(async (options: Record<string, string>) => {
      const { serve } = await import('./commands/serve.ts')
      await serve('dev', options)
    })
}

const addTopicCommands = (program: Command): void => {
  const topic = program.command('topic').description('create, list, describe, alter, delete topics')
  const sub = (usage: string, text: string): Command =>
    topic.command(usage).description(text).addOption(urlOption()).addOption(outputOption())
  const settable = (command: Command): Command =>
    command
      .option('--partitions <count>', 'number of partitions', integer(1))
      .option('--durability <name>', 'persisted or memory')
      .option('--retention-ms <time>', 'how long records are kept, such as 7d, or unlimited')
      .option('--retention-bytes <size>', 'how much a partition keeps, such as 10gb, or unlimited')
      .option('--cleanup-policy <name>', 'delete, compact, or compact,delete')
      .option('--compaction-lag-ms <time>', 'how old a record is before it may be compacted')
      .option('--tombstone-ms <time>', 'how long a record without a value stays once compacted')
      .option('--set <name=value>', 'another setting, such as segmentBytes=64mb', list)
  settable(sub('create <topic>', 'create a topic'))
    .option('--if-not-exists', 'describe the topic if it is there already')
    .action(async (name: string, options: object) => {
      const { createTopic } = await import('./commands/topic.ts')
      await createTopic(name, options)
    })
  sub('list', 'list topics')
    .option('--prefix <text>', 'only names that begin so')
    .action(async (options: object) => {
      const { listTopics } = await import('./commands/topic.ts')
      await listTopics(options)
    })
  sub('describe <topic>', 'show partitions, offsets and settings').action(
    async (name: string, options: object) => {
      const { describeTopic } = await import('./commands/topic.ts')
      await describeTopic(name, options)
    },
  )
  settable(sub('alter <topic>', 'change settings in place, or add partitions'))
    .option('--reset <name>', 'take a setting back to its default', list)
    .option('--revision <number>', 'only if the topic still has this revision', integer(0))
    .action(async (name: string, options: object) => {
      const { alterTopic } = await import('./commands/topic.ts')
      await alterTopic(name, options)
    })
  sub('delete <topic>', 'delete a topic and its records')
    .option('--yes', 'do not ask')
    .option('--revision <number>', 'only if the topic still has this revision', integer(0))
    .action(async (name: string, options: object) => {
      const { deleteTopic } = await import('./commands/topic.ts')
      await deleteTopic(name, options)
    })
  addRemovalCommands(sub)
}

const offsetOrEnd = (text: string): number | 'end' => (text === 'end' ? text : integer(0)(text))

interface RemovalFlags {
  readonly partition: number
  /** Of `delete-records`. */
  readonly before: number | 'end'
  /** Of `truncate`. */
  readonly from: number
}

const addRemovalCommands = (sub: (usage: string, text: string) => Command): void => {
  sub('delete-records <topic>', 'delete the oldest records of a partition')
    .requiredOption('--partition <number>', 'the partition', integer(0))
    .requiredOption('--before <offset>', 'the first offset that stays, or end', offsetOrEnd)
    .option('--yes', 'do not ask')
    .action(async (name: string, options: RemovalFlags) => {
      const { deleteRecords } = await import('./commands/topic.ts')
      await deleteRecords(name, options)
    })
  sub('truncate <topic>', 'delete the newest records of a partition')
    .requiredOption('--partition <number>', 'the partition', integer(0))
    .requiredOption('--from <offset>', 'the first offset that goes', integer(0))
    .option('--yes', 'do not ask')
    .action(async (name: string, options: RemovalFlags) => {
      const { truncateTopic } = await import('./commands/topic.ts')
      await truncateTopic(name, options)
    })
}

const addPub = (program: Command): void => {
  program
    .command('pub <target> [body]')
    .description(
      'publish BODY, or all of standard input, or each line of it, to a topic, queue:NAME or exchange:NAME/KEY',
    )
    .addOption(urlOption())
    .addOption(outputOption())
    .option('--lines', 'one record a line of standard input')
    .option('--key <key>', 'key of the record; equal keys go to one partition, or stay in order')
    .option('--key-separator <text>', 'with --lines: what stands before it is the key')
    .option('--header <name=value>', 'a header; may be given more than once', list)
    .option('--ttl <time>', 'to an exchange or queue: how long it lives, such as 10m')
    .option('--delay <time>', 'to a delayed exchange: how long it keeps it, such as 10m')
    .option('--priority <number>', 'to an exchange or queue: higher is sooner', integer(0))
    .option('--message-id <id>', 'to an exchange or queue: drops doubles where the queue does')
    .option('--transient', 'to an exchange or queue: it need not survive a restart')
    .option('--partition <number>', 'partition, instead of what the key says', integer(0))
    .addOption(
      new Option('--compression <codec>', 'how batches are compressed').choices([
        'none',
        'gzip',
        'snappy',
        'lz4',
        'zstd',
      ]),
    )
    .action(async (target: string, body: string | undefined, options: object) => {
      const { publish } = await import('./commands/pub.ts')
      await publish(target, body, options)
    })
}

const addSub = (program: Command): void => {
  program
    .command('sub <source>')
    .description('print the records of a topic, or the messages of queue:NAME')
    .addOption(urlOption())
    .option('--from <place>', 'start, end, an offset or an ISO time (default end, or start)')
    .option('--partition <number>', 'only this partition', integer(0))
    .option('--count <number>', 'end after so many records', integer(1))
    .option('--no-follow', 'end at what is there now')
    .option('--ack', 'of a queue: take the messages out; without it they go back at the end')
    .addOption(
      new Option('--output <form>', 'payloads, or one JSON object a line')
        .choices(['text', 'jsonl'])
        .default('text'),
    )
    .action(async (source: string, options: object) => {
      const { subscribe } = await import('./commands/sub.ts')
      await subscribe(source, options)
    })
}

const addConfigCommands = (program: Command): void => {
  const config = program.command('config').description('check or show the configuration')
  addSettings(config.command('check'))
    .description('say what is wrong with the configuration, if anything')
    .action(async (options: Record<string, string>) => {
      const { checkConfig } = await import('./commands/config.ts')
      await checkConfig(options)
    })
  addSettings(config.command('show'))
    .description('print the effective configuration and where each value comes from')
    .addOption(outputOption())
    .action(async (options: Record<string, string>) => {
      const { showConfig } = await import('./commands/config.ts')
      await showConfig(options)
    })
}

export const createProgram = (): Command => {
  const program = new Command('millrace')
  program
    .description('Millrace: one self-hosted message broker, and the command to talk to it.')
    .exitOverride()
    .showHelpAfterError('next:  add --help to see what it takes')
    .showSuggestionAfterError(true)
  addServerCommands(program)
  addTopicCommands(program)
  addPub(program)
  addSub(program)
  addMessagingCommands(program)
  addConfigCommands(program)
  addIdentityCommands(program)
  addCareCommands(program)
  program
    .command('version')
    .description('print the version')
    .addOption(outputOption())
    .action(async (options: { output?: string }) => {
      const { printVersion } = await import('./commands/version.ts')
      printVersion(options)
    })
  addLoginOptions(program)
  return program
}
