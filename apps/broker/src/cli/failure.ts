/** From an error to what a person reads: the cause, then what to do next. */
import { type ErrorCode, isBrokerError } from '@millrace/codec'

/** The command line cannot be carried out as it was written. */
export class UsageError extends Error {
  readonly next: string | undefined

  constructor(message: string, next?: string) {
    super(message)
    this.name = 'UsageError'
    this.next = next
  }
}

/** Something failed, and we know what helps. */
export class CommandError extends Error {
  readonly next: string

  constructor(message: string, next: string) {
    super(message)
    this.name = 'CommandError'
    this.next = next
  }
}

export interface Failure {
  readonly text: string
  readonly isUsage: boolean
}

const nextSteps: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_CONNECT_FAILED:
    'start a broker with `millrace dev`, or say where it runs with --url or MILLRACE_URL',
  ERR_CONNECTION_LOST: 'check that the broker still runs, then run the command again',
  ERR_GOING_AWAY: 'the broker is stopping: run the command again when it is back',
  ERR_TIMED_OUT: 'check the health of the broker at /readyz?verbose, then run the command again',
  ERR_TOPIC_NOT_FOUND: 'create it with `millrace topic create`, or see `millrace topic list`',
  ERR_TOPIC_EXISTS: 'change it with `millrace topic alter`, or create it with --if-not-exists',
  ERR_INVALID_NAME: 'choose another name',
  ERR_PARTITION_NOT_FOUND: 'see `millrace topic describe` for the partitions',
  ERR_OFFSET_OUT_OF_RANGE: 'see `millrace topic describe` for the offsets, or use --from start',
  ERR_REVISION_CONFLICT: 'see `millrace topic describe` for the present revision, and try again',
  ERR_QUEUE_NOT_FOUND: 'create it with `millrace queue create`, or see `millrace queue list`',
  ERR_QUEUE_EXISTS: 'change it with `millrace queue alter`, or choose another name',
  ERR_QUEUE_IN_USE: 'stop its consumers, or leave out --if-unused',
  ERR_QUEUE_NOT_EMPTY: 'purge it with `millrace queue purge`, or leave out --if-empty',
  ERR_EXCHANGE_NOT_FOUND:
    'create it with `millrace exchange create`, or see `millrace exchange list`',
  ERR_EXCHANGE_EXISTS: 'choose another name, or delete it with `millrace exchange delete`',
  ERR_EXCHANGE_IN_USE: 'see `millrace binding list`, or leave out --if-unused',
  ERR_MESSAGE_REFUSED: 'wait until its consumers have caught up, or raise its limit',
  ERR_NAMESPACE_NOT_FOUND: 'leave the path out of the URL, or name a namespace that exists',
  ERR_UNSUPPORTED_DURABILITY: 'use --durability persisted or memory',
  ERR_BATCH_TOO_LARGE: 'send smaller records, or raise the topic’s batchBytesMax with topic alter',
  ERR_STORAGE_FULL: 'free space on the broker’s disk: it goes on by itself',
  ERR_STORAGE_FAILED: 'see the broker’s log, check its disk, and start it again',
  ERR_DIRECTORY_LOCKED: 'stop that broker, or choose another directory with --data-dir',
  ERR_DATA_FORMAT:
    'run the millrace version that wrote the directory, or see “Upgrading” in docs/operations.md',
  ERR_NOT_AUTHORIZED: 'ask for the permission, or log in as somebody else: see `millrace can`',
  ERR_AUTHENTICATION_FAILED: 'check --user and --password-file, or the token',
  ERR_UNSUPPORTED_MECHANISM:
    'log in with --user and --password-file, or --token-file: over TLS, or from the same machine',
  ERR_LOGIN_DELAYED: 'wait, then try again with the right password',
  ERR_CREDENTIALS_EXPIRED: 'get a new token, and run the command again',
  ERR_USER_NOT_FOUND: 'see `millrace user list`, or create it with `millrace user create`',
  ERR_USER_EXISTS: 'change it with `millrace user password` or `millrace user alter`',
  ERR_CONNECTION_LIMIT: 'close other connections, or raise limits.connections of the broker',
  ERR_MALFORMED_FRAME: 'check that --url names the native port, 7420 unless it was moved',
  ERR_FRAME_TOO_LARGE: 'check that --url names the native port, 7420 unless it was moved',
}

const diskSteps: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to it, or choose another path',
  EPERM: 'give this user the right to it, or choose another path',
  ENOSPC: 'free some space, or choose another disk',
  EROFS: 'choose a path on a disk that can be written',
  ENOENT: 'make the directory above it first, or choose another path',
  ENOTDIR: 'choose a path that is a directory',
  EMFILE: 'raise the limit of open files (ulimit -n)',
}

const write = (cause: string, next: string | undefined): string =>
  next === undefined ? `error: ${cause}\n` : `error: ${cause}\nnext:  ${next}\n`

const nameOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null ? (error as Error).name : undefined

export const describeFailure = (error: unknown): Failure => {
  if (isBrokerError(error)) {
    const isUsage = error.code === 'ERR_INVALID_ARGUMENT'
    return { text: write(error.message, nextSteps[error.code]), isUsage }
  }
  const { message, next, code, stack } = error as {
    message?: string
    next?: string
    code?: string
    stack?: string
  }
  const name = nameOf(error)
  if (name === 'UsageError') {
    return { text: write(String(message), next ?? 'see --help'), isUsage: true }
  }
  if (name === 'ConfigError') {
    const lines = (error as { problems: readonly string[] }).problems
    const text = lines.map((line) => `error: ${line}\n`).join('')
    return { text: `${text}next:  docs/configuration.md lists every setting\n`, isUsage: true }
  }
  if (name === 'ListenError' || name === 'CommandError') {
    return { text: write(String(message), next), isUsage: false }
  }
  if (code !== undefined) return { text: write(String(message), diskSteps[code]), isUsage: false }
  return { text: write(`unexpected: ${stack ?? String(error)}`, undefined), isUsage: false }
}
