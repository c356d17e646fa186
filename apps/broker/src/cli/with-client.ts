/** A connection for the length of one command. */
import { type Client, connect } from '@millrace/client-node'
import { type LoginOptions, loginOf } from './login.ts'

export interface ClientOptions extends LoginOptions {
  readonly url?: string
}

/** What reads or copies everything takes its time. */
const PATIENCE_MS = 3_600_000

export const withClient = <Result>(
  options: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => withOptions(options, {}, run)

/** For requests whose answer comes when long work is done. */
export const withPatientClient = <Result>(
  options: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => withOptions(options, { requestTimeoutMs: PATIENCE_MS }, run)

const withOptions = async <Result>(
  options: ClientOptions,
  limits: { requestTimeoutMs?: number },
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
