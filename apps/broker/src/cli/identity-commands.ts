/** The grammar of `user`, `permission` and `can`, and of the login that every command may need. */
import { type Command, Option } from 'commander'

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

const QUOTA_TEXT =
  'instead of the configured one: in=10mb and out=10mb a second, connections=5, topics=50; all at once'

const newPassword = '--password-file <file>'
const resourceText = `
A resource is KIND:NAME, or NAMESPACE//KIND:NAME outside the default namespace. Kinds: topic,
exchange, queue, group, broker. In permissions NAMESPACE and NAME are patterns: * stands for any run
of characters, everything else for itself, \\* for a star; KIND may be *. Actions: configure, write,
read, administer; several with commas.

  millrace permission grant ann write,read 'topic:orders.*'
  millrace permission grant '*' read topic:news
  millrace permission grant ann write topic:orders.audit --deny`

const addUser = (program: Command): void => {
  const user = program.command('user').description('create, change, delete and list users')
  const sub = (usage: string, text: string): Command =>
    user.command(usage).description(text).addOption(urlOption()).addOption(outputOption())
  sub('create <name>', 'create a user; the first one must be an administrator')
    .option(newPassword, 'file with the password of the new user; - for standard input')
    .option('--admin', 'may do everything')
    .option('--certificate-name <name>', 'name in client certificates that stands for it', list)
    .option('--quota <name=value>', QUOTA_TEXT, list)
    .action(async (name: string, options: object) => {
      const { createUser } = await import('./commands/user.ts')
      await createUser(name, options)
    })
  sub('password <name>', 'set the password of a user')
    .requiredOption(newPassword, 'file with the new password; - for standard input')
    .action(async (name: string, options: object) => {
      const { setPassword } = await import('./commands/user.ts')
      await setPassword(name, options as { passwordFile: string })
    })
  sub('alter <name>', 'make or unmake an administrator, disable or enable a user')
    .option('--admin', 'may do everything')
    .option('--no-admin', 'may do what permissions say')
    .option('--disable', 'may not log in, and may do nothing while logged in')
    .option('--no-disable', 'may log in again')
    .option('--certificate-name <name>', 'name in client certificates that stands for it', list)
    .option('--quota <name=value>', QUOTA_TEXT, list)
    .action(async (name: string, options: object) => {
      const { alterUser } = await import('./commands/user.ts')
      await alterUser(name, options)
    })
  sub('delete <name>', 'delete a user and its permissions').action(
    async (name: string, options: object) => {
      const { deleteUser } = await import('./commands/user.ts')
      await deleteUser(name, options)
    },
  )
  sub('list', 'list users').action(async (options: object) => {
    const { listUsers } = await import('./commands/user.ts')
    await listUsers(options)
  })
}

const addPermission = (program: Command): void => {
  const permission = program
    .command('permission')
    .description('grant, revoke and list permissions')
    .addHelpText('after', resourceText)
  const sub = (usage: string, text: string): Command =>
    permission
      .command(usage)
      .description(text)
      .addOption(urlOption())
      .addOption(outputOption())
      .addHelpText('after', resourceText)
  const change = (verb: 'grant' | 'revoke', text: string): void => {
    sub(`${verb} <user> <actions> <resource>`, text)
      .option('--deny', 'of the kind that forbids, which wins over all that allow')
      .action(async (user: string, actions: string, resource: string, options: object) => {
        const commands = await import('./commands/permission.ts')
        const run = verb === 'grant' ? commands.grantPermission : commands.revokePermission
        await run(user, actions, resource, options)
      })
  }
  change('grant', 'let a user, or * for every user, do something')
  change('revoke', 'take a permission back, or some of its actions')
  sub('list [user]', 'list permissions, all or of one user').action(
    async (user: string | undefined, options: object) => {
      const { listPermissions } = await import('./commands/permission.ts')
      await listPermissions(user, options)
    },
  )
}

const addCan = (program: Command): void => {
  program
    .command('can <user> <action> <resource>')
    .description('say whether a user may do something, and why; ends with 1 when not')
    .addOption(urlOption())
    .addOption(outputOption())
    .action(async (user: string, action: string, resource: string, options: object) => {
      const { explainAccess } = await import('./commands/permission.ts')
      await explainAccess(user, action, resource, options)
    })
}

export const addIdentityCommands = (program: Command): void => {
  addUser(program)
  addPermission(program)
  addCan(program)
}

/** Every command that talks to a broker can log in; called when all commands are there. */
export const addLoginOptions = (command: Command): void => {
  for (const child of command.commands) addLoginOptions(child)
  if (!command.options.some(({ long }) => long === '--url')) return
  const isTaken = command.options.some(({ long }) => long === '--password-file')
  const passwordFlag = isTaken ? '--login-password-file <file>' : newPassword
  command
    .option('--user <name>', 'user to log in as (or MILLRACE_USER)')
    .option(passwordFlag, 'file with its password (or MILLRACE_PASSWORD_FILE)')
    .option('--token-file <file>', 'file with a token to log in with (or MILLRACE_TOKEN_FILE)')
}
