/**
 * Names of topics, queues, exchanges and namespaces. They never become paths: logs and directories
 * are named by number.
 */
import { BrokerError, utf8Length } from '@millrace/codec'

export const NAME_BYTES_MAX = 255
export const DEFAULT_NAMESPACE = '/'

// Control characters break terminals and other protocols' strings; a slash is kept for paths in URLs.
// eslint-disable-next-line no-control-regex -- naming them is the point
const FORBIDDEN = /[\u0000-\u001f\u007f/]/u
const UNPAIRED_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

const reasonAgainstText = (text: string): string | undefined => {
  if (text.length > NAME_BYTES_MAX || utf8Length(text) > NAME_BYTES_MAX)
    return `it is longer than ${NAME_BYTES_MAX} bytes`
  return UNPAIRED_SURROGATE.test(text) ? 'it is not well-formed Unicode' : undefined
}

const reasonAgainst = (name: string): string | undefined => {
  if (name.length === 0) return 'it is empty'
  const reason = reasonAgainstText(name)
  if (reason !== undefined) return reason
  if (name === '.' || name === '..') return 'it is a relative path'
  if (name.trim() !== name) return 'it begins or ends with white space'
  if (FORBIDDEN.test(name)) return 'it holds a slash or a control character'
  return undefined
}

/** What an error may show of a name somebody sent: short, and harmless in a terminal. */
export const shownName = (name: string): string => JSON.stringify(name.slice(0, 64)).slice(1, -1)

/** Throws ERR_INVALID_NAME. */
export const checkName = (name: string): void => {
  const reason = reasonAgainst(name)
  if (reason !== undefined) throw new BrokerError('ERR_INVALID_NAME', [shownName(name), reason])
}

/**
 * Of exchanges, queues and routing keys, which other protocols fill with what they like: any
 * well-formed text that is not too long. A routing key may also be empty. Throws ERR_INVALID_NAME.
 */
export const checkRoutingName = (name: string): void => {
  const reason = name.length === 0 ? 'it is empty' : reasonAgainstText(name)
  if (reason !== undefined) throw new BrokerError('ERR_INVALID_NAME', [shownName(name), reason])
}

/** Throws ERR_INVALID_NAME. */
export const checkRoutingKey = (routingKey: string): void => {
  if (routingKey.length > 0) checkRoutingName(routingKey)
}

export const checkNamespace = (namespace: string): void => {
  if (namespace !== DEFAULT_NAMESPACE) checkName(namespace)
}
