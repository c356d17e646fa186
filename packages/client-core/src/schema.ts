/** What a schema (Standard Schema) says of a payload, as an error that people can read. */
import { BrokerError } from '@millrace/codec'
import type { StandardSchemaV1 } from '@standard-schema/spec'

const ISSUES_MAX = 5

const pathOf = ({ path = [] }: StandardSchemaV1.Issue): string =>
  path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')

const textOf = (issues: readonly StandardSchemaV1.Issue[]): string => {
  const lines = issues.slice(0, ISSUES_MAX).map((issue) => {
    const path = pathOf(issue)
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  const rest = issues.length - lines.length
  return rest > 0 ? `${lines.join('; ')}; and ${rest} more` : lines.join('; ')
}

/** What the schema makes of it. Throws ERR_PAYLOAD_CODEC; `owner` says whose schema it is. */
export const acceptPayload = <T>(result: StandardSchemaV1.Result<T>, owner: string): T => {
  if (result.issues === undefined) return result.value
  const values = [`the schema of '${owner}' wants it`, textOf(result.issues)]
  throw new BrokerError('ERR_PAYLOAD_CODEC', values, { cause: result.issues })
}
