/** Who this connection is, step by step: what every mechanism looks like from the handshake. */
import type { Platform } from '../platform.ts'
import type { BrokerAddress } from '../transport.ts'

/** One login with one mechanism. */
export interface Authenticator {
  /** As the broker names it, `PLAIN` for example. */
  readonly mechanism: string
  /** Sent with the first frame. */
  readonly initial?: Uint8Array
  /** The answer to a challenge of the broker. */
  respond(challenge: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * The broker is satisfied; its last word, if it had one. Throws when this side is not, because the
   * broker did not prove that it knows the password for example.
   */
  complete?(challenge: Uint8Array | undefined): void
}

/** Makes a login of its own for each connection: tokens expire, nonces are used once. */
export interface Credentials {
  begin(address: BrokerAddress, platform: Platform): Authenticator | Promise<Authenticator>
}
