/** `millrace user create|password|alter|delete|list`. */
import type { UserChangeOptions } from '@millrace/client-core'
import { UsageError } from '../failure.ts'
import { readSecret } from '../login.ts'
import { formatJson, formatJsonLines, formatTable, type OutputForm } from '../output.ts'
import { readQuotas } from '../user-quotas.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

/** Here `--password-file` is that of the user in question, not of who logs in. */
interface UserCommandOptions extends Omit<ClientOptions, 'passwordFile'> {
  readonly output?: OutputForm
  readonly passwordFile?: string
  readonly loginPasswordFile?: string
  readonly admin?: boolean
  readonly disable?: boolean
  readonly certificateName?: readonly string[]
  readonly quota?: readonly string[]
}

interface ShownUser {
  readonly user: string
  readonly administrator: boolean
  readonly disabled: boolean
  readonly hasPassword: boolean
  readonly certificateNames: readonly string[]
  readonly revision: number
}

const loginOptionsOf = ({
  passwordFile: _new,
  loginPasswordFile,
  ...rest
}: UserCommandOptions): ClientOptions =>
  loginPasswordFile === undefined ? rest : { ...rest, passwordFile: loginPasswordFile }

const changesOf = (options: UserCommandOptions): UserChangeOptions => {
  const { admin, disable, certificateName, quota } = options
  return {
    ...(admin === undefined ? {} : { administrator: admin }),
    ...(disable === undefined ? {} : { disabled: disable }),
    ...(certificateName === undefined ? {} : { certificateNames: certificateName }),
    ...(quota === undefined ? {} : { quotas: readQuotas(quota) }),
  }
}

const show = (user: ShownUser, output: OutputForm | undefined, text: string): void => {
  if (output === 'json') process.stdout.write(formatJson(user))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([user]))
  else process.stdout.write(`${text}\n`)
}

export const createUser = async (name: string, options: UserCommandOptions): Promise<void> => {
  const { passwordFile, certificateName } = options
  if (passwordFile === undefined && certificateName === undefined) {
    const next = 'give --password-file or --certificate-name'
    throw new UsageError(`user '${name}' would have no way to log in`, next)
  }
  const password = passwordFile === undefined ? {} : { password: readSecret(passwordFile) }
  const changes = { ...changesOf(options), ...password }
  const created = await withClient(loginOptionsOf(options), ({ admin }) =>
    admin.users.create(name, changes),
  )
  const what = created.administrator ? 'administrator' : 'user'
  show(created, options.output, `created ${what} ${created.user}`)
}

export const setPassword = async (
  name: string,
  options: UserCommandOptions & { passwordFile: string },
): Promise<void> => {
  const password = readSecret(options.passwordFile)
  const changed = await withClient(loginOptionsOf(options), ({ admin }) =>
    admin.users.change(name, { password }),
  )
  show(changed, options.output, `set the password of ${changed.user}`)
}

export const alterUser = async (name: string, options: UserCommandOptions): Promise<void> => {
  const changes = changesOf(options)
  if (Object.keys(changes).length === 0) {
    const next = 'give --admin, --no-admin, --disable, --no-disable, --certificate-name or --quota'
    throw new UsageError('nothing to change', next)
  }
  const changed = await withClient(options as ClientOptions, ({ admin }) =>
    admin.users.change(name, changes),
  )
  show(changed, options.output, `altered ${changed.user}: revision ${changed.revision}`)
}

export const deleteUser = async (
  name: string,
  options: ClientOptions & { output?: OutputForm },
): Promise<void> => {
  await withClient(options, ({ admin }) => admin.users.delete(name))
  if (options.output === 'json' || options.output === 'jsonl')
    process.stdout.write(formatJsonLines([{ user: name, deleted: true }]))
  else process.stdout.write(`deleted ${name}\n`)
}

export const listUsers = async (
  options: ClientOptions & { output?: OutputForm },
): Promise<void> => {
  const users = await withClient(options, ({ admin }) => admin.users.list())
  if (options.output === 'json') process.stdout.write(formatJson(users))
  else if (options.output === 'jsonl') process.stdout.write(formatJsonLines(users))
  else process.stdout.write(formatTable(users.map(rowOf), columns))
}

const columns = ['user', 'administrator', 'disabled', 'password', 'certificates', 'revision']

const yes = (isSo: boolean): string => (isSo ? 'yes' : '')

const rowOf = (user: ShownUser): Record<string, string | number> => ({
  user: user.user,
  administrator: yes(user.administrator),
  disabled: yes(user.disabled),
  password: yes(user.hasPassword),
  certificates: user.certificateNames.join(','),
  revision: user.revision,
})
