/** The grammar of `doctor`, `backup` and `restore`. */
import { type Command, Option } from 'commander'

const urlOption = (): Option =>
  new Option(
    '--url <url>',
    'the running broker (or MILLRACE_URL; default millrace://127.0.0.1:7420)',
  )

const outputOption = (): Option =>
  new Option('--output <form>', 'form of the output').choices(['table', 'json'])

const addDoctor = (program: Command): void => {
  program
    .command('doctor')
    .description('check what is stored: of a running broker, or in a directory that none has open')
    .addOption(urlOption())
    .option('--data-dir <directory>', 'check this directory; its broker must be stopped')
    .option('--topic <topic>', 'of a running broker: only this topic')
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nexit status: 0 all is well, 1 damage was found, 2 it could not be checked',
    )
    .action(async (options: object) => {
      const { examineStorage } = await import('./commands/doctor.ts')
      await examineStorage(options)
    })
}

const addBackup = (program: Command): void => {
  const backup = program
    .command('backup')
    .description('take a backup of a running broker, or of a directory that none has open')
    .addOption(urlOption())
    .option('--name <name>', 'of a running broker: name of the backup (default: from the clock)')
    .option('--data-dir <directory>', 'back up this directory; its broker must be stopped')
    .option('--to <directory>', 'with --data-dir: the directory to make')
    .addOption(outputOption())
    .action(async (options: object) => {
      const { takeBackup } = await import('./commands/backup.ts')
      await takeBackup(options)
    })
  backup
    .command('verify <directory>')
    .description('compare a backup with its manifest, byte for byte')
    .action(async (directory: string, _options: object, command: Command) => {
      const { verify } = await import('./commands/backup.ts')
      // `--output` is an option of the command above, wherever it is written.
      await verify(directory, command.optsWithGlobals())
    })
}

const addRestore = (program: Command): void => {
  program
    .command('restore')
    .description('make a data directory from a backup')
    .requiredOption('--from <directory>', 'the backup')
    .requiredOption('--data-dir <directory>', 'the directory to make; an empty one will do')
    .addOption(outputOption())
    .action(async (options: { from: string; dataDir: string }) => {
      const { restore } = await import('./commands/backup.ts')
      await restore(options)
    })
}

export const addCareCommands = (program: Command): void => {
  addDoctor(program)
  addBackup(program)
  addRestore(program)
}
