/** `millrace permission grant|revoke|list` and `millrace can`. */
import type { ActionName, PermissionRequest } from '@millrace/client-core'
import { UsageError } from '../failure.ts'
import { formatJson, formatJsonLines, formatTable, type OutputForm } from '../output.ts'
import {
  formatResourceText,
  parseActions,
  parseResource,
  type ResourceText,
} from '../resource-text.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

interface PermissionOptions extends ClientOptions {
  readonly output?: OutputForm
  readonly deny?: boolean
}

interface ShownPermission {
  readonly user: string
  readonly effect: string
  readonly actions: readonly string[]
  readonly namespace: string
  readonly kind: string
  readonly pattern: string
}

const requestOf = (
  user: string,
  actions: string,
  resource: string,
  { deny }: PermissionOptions,
): PermissionRequest => {
  const { namespace, kind, name } = parseResource(resource)
  const effect = deny === true ? 'deny' : 'allow'
  return { user, effect, actions: parseActions(actions), namespace, kind, pattern: name }
}

const resourceOf = ({ namespace, kind, pattern }: ShownPermission): string =>
  formatResourceText({ namespace, kind: kind as ResourceText['kind'], name: pattern })

const write = (content: object, output: OutputForm | undefined, text: string): void => {
  if (output === 'json') process.stdout.write(formatJson(content))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([content]))
  else process.stdout.write(`${text}\n`)
}

const describe = (permission: ShownPermission): string => {
  const verb = permission.effect === 'deny' ? 'may not' : 'may'
  const who = permission.user === '*' ? 'every user' : permission.user
  return `${who} ${verb} ${permission.actions.join(', ')} ${resourceOf(permission)}`
}

export const grantPermission = async (
  user: string,
  actions: string,
  resource: string,
  options: PermissionOptions,
): Promise<void> => {
  const request = requestOf(user, actions, resource, options)
  const granted = await withClient(options, ({ admin }) => admin.permissions.grant(request))
  write(granted, options.output, describe(granted))
}

export const revokePermission = async (
  user: string,
  actions: string,
  resource: string,
  options: PermissionOptions,
): Promise<void> => {
  const request = requestOf(user, actions, resource, options)
  const revoked = await withClient(options, ({ admin }) => admin.permissions.revoke(request))
  const left = revoked.actions.length === 0 ? 'nothing is left of it' : 'left is:'
  const text = revoked.changed
    ? `revoked; ${left} ${revoked.actions.join(', ')}`.trimEnd()
    : 'there was no such permission'
  write(revoked, options.output, text)
}

export const listPermissions = async (
  user: string | undefined,
  options: PermissionOptions,
): Promise<void> => {
  const asked = user === undefined ? {} : { user }
  const all = await withClient(options, ({ admin }) => admin.permissions.list(asked))
  if (options.output === 'json') process.stdout.write(formatJson(all))
  else if (options.output === 'jsonl') process.stdout.write(formatJsonLines(all))
  else {
    const rows = all.map((permission) => ({
      user: permission.user,
      effect: permission.effect,
      actions: permission.actions.join(','),
      resource: resourceOf(permission),
    }))
    process.stdout.write(formatTable(rows, ['user', 'effect', 'actions', 'resource']))
  }
}

const reasons: Readonly<Record<string, string>> = {
  'not-enforced': 'this broker asks nobody who they are',
  administrator: 'an administrator may do everything',
  'no-permission': 'no permission allows it',
  disabled: 'the user is disabled',
  'not-a-user': 'there is no such user any more',
}

/** A script sees it by the exit status. */
export const explainAccess = async (
  user: string,
  action: string,
  resource: string,
  options: PermissionOptions,
): Promise<void> => {
  const { namespace, kind, name } = parseResource(resource)
  if (kind === '*') throw new UsageError('ask about one kind', 'write topic:NAME, queue:NAME, …')
  const question = { user, action: action as ActionName, namespace, kind, name }
  const answer = await withClient(options, ({ admin }) => admin.permissions.explain(question))
  const { allowed, reason, permission } = answer
  const why = permission === undefined ? (reasons[reason] ?? reason) : describe(permission)
  write(answer, options.output, `${allowed ? 'yes' : 'no'}: ${why}`)
  if (!allowed) process.exitCode = 1
}
