/** What the server does with every listener, whatever speaks behind it. */
import type { ListenerRow } from './listener-table.ts'

export interface Listener {
  /** The port it got; rejects with the operating system's error. */
  listen(): Promise<number>
  /** No new connections from now on; those there are stay. */
  stopAccepting(): void
  /** Ends what is left. */
  close(): void
}

/** A listener that could not be bound, with the setting that moves it. */
export class ListenError extends Error {
  readonly listener: string
  readonly port: number | 'off'
  readonly code: string

  constructor(row: ListenerRow, port: number | 'off', code: string) {
    const why = code === 'EADDRINUSE' ? 'is in use' : `cannot be bound (${code})`
    super(
      `port ${port} of the ${row.name} listener ${why}: ` +
        `stop what uses it, or choose another with ${row.flag} or ${row.portKey}`,
    )
    this.name = 'ListenError'
    this.listener = row.name
    this.port = port
    this.code = code
  }
}
