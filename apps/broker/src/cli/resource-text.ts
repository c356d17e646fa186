/** Resources as they are written on the command line: `topic:orders`, `shop//topic:orders.*`. */
import type { ActionName, ResourceKind } from '@millrace/client-core'
import { UsageError } from './failure.ts'

export interface ResourceText {
  readonly namespace: string
  readonly kind: ResourceKind | '*'
  readonly name: string
}

const NEXT = "write KIND:NAME, as in 'topic:orders' or 'shop//topic:orders.*'"

export const parseResource = (text: string): ResourceText => {
  const [, namespace = '/', kind, name] = /^(?:(.+?)\/\/)?([a-z]+|\*):(.+)$/s.exec(text) ?? []
  if (kind === undefined || name === undefined)
    throw new UsageError(`'${text}' is no resource`, NEXT)
  return { namespace, kind: kind as ResourceKind | '*', name }
}

export const formatResourceText = ({ namespace, kind, name }: ResourceText): string =>
  namespace === '/' ? `${kind}:${name}` : `${namespace}//${kind}:${name}`

const every: readonly ActionName[] = ['configure', 'write', 'read', 'administer']

export const parseActions = (text: string): readonly ActionName[] =>
  text === '*' ? every : (text.split(',').map((part) => part.trim()) as ActionName[])
