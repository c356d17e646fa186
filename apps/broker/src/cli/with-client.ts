/** A connection for the length of one command. */
import { type Client, type ClientStatus, connect, type ConnectOptions } from '@millrace/client-node'
import { type LoginOptions, loginOf } from './login.ts'

export interface ClientOptions extends LoginOptions {
  readonly url?: string
}

/** What reads or copies everything takes its time. */
const PATIENCE_MS = 3_600_000

export const withClient = <Result>(
  options: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => withOptions(options, { reconnect: false }, run)

/**
 * For commands that go on for long: a lost connection is made again, and whoever watches is told.
 */
export const withLastingClient = <Result>(
  options: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> =>
  withOptions(options, {}, (client) => {
    client.on('status', statusReporter())
    return run(client)
  })

/** Tells of each loss once, not of each attempt. */
const statusReporter = (): ((status: ClientStatus) => void) => {
  let isLost = false
  return (status) => {
    if (status.type === 'reconnecting' && !isLost) {
      isLost = true
      process.stderr.write(`${status.error.message}; connecting again\n`)
    } else if (status.type === 'connected') {
      isLost = false
      process.stderr.write('connected again\n')
    }
  }
}

/** For requests whose answer comes when long work is done. */
export const withPatientClient = <Result>(
  options: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => withOptions(options, { requestTimeoutMs: PATIENCE_MS, reconnect: false }, run)

const withOptions = async <Result>(
  options: ClientOptions,
  limits: Pick<ConnectOptions, 'requestTimeoutMs' | 'reconnect'>,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const auth = loginOf(options, process.env)
  const login = auth === undefined ? {} : { auth }
  const client = await connect(options.url, { clientName: 'millrace-cli', ...login, ...limits })
  try {
    return await run(client)
  } finally {
    await client.close()
  }
}
