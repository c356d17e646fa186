/** What the server does with every listener, whatever speaks behind it. */
import type { ListenerRow } from './listener-table.ts'

export interface Listener {
  /** The port it got; rejects with the operating system's error. */
  listen(): Promise<number>
  /** No new connections from now on; those there are stay, with whoever got them. */
  close(): void
}

/** `native.tlsPort` is `--native-tls-port`. */
const flagOf = (portKey: string): string =>
  `--${portKey.replace('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** A listener that could not be bound, with the setting that moves it. */
export class ListenError extends Error {
  readonly listener: string
  readonly port: number | 'off'
  readonly code: string

  constructor({ name, portKey }: ListenerRow, port: number | 'off', code: string) {
    const why = code === 'EADDRINUSE' ? 'is in use' : `cannot be bound (${code})`
    super(
      `port ${port} of the ${name} listener ${why}: ` +
        `stop what uses it, or choose another with ${flagOf(portKey)} or ${portKey}`,
    )
    this.name = 'ListenError'
    this.listener = name
    this.port = port
    this.code = code
  }
}
