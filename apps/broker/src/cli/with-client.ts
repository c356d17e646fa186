/** A connection for the length of one command. */
import { type Client, connect } from '@millrace/client-node'

export interface ClientOptions {
  readonly url?: string
}

export const withClient = async <Result>(
  { url }: ClientOptions,
  run: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const client = await connect(url, { clientName: 'millrace-cli' })
  try {
    return await run(client)
  } finally {
    await client.close()
  }
}
