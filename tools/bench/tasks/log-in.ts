/** Logins without the SDK: as many connections as there is time for, or one that shows again who it is. */
import { Opcode, encodeAuthenticate, encodeFrame } from '@millrace/protocol'
import { RawConnection, type RawLogin, plainBytesOf } from './raw-connection.ts'
import { FIRST_CORRELATION, RawLoad } from './raw-load.ts'

/** A connection that only logs in reads a single short frame. */
const READ_BYTES = 4096

export interface LoginParameters {
  readonly url: string
  /** Left out: anonymously. */
  readonly login?: RawLogin
  readonly loginCount: number
  readonly togetherCount: number
}

export interface RenewalParameters {
  readonly url: string
  readonly login: RawLogin
  readonly durationMs: number
  readonly connectionCount: number
  /** Under way on each connection. */
  readonly windowCount: number
  /** As many PINGs instead, which ask for nothing. */
  readonly isBare?: boolean
}

export interface Counted {
  readonly count: number
  readonly elapsedMs: number
}

/** A connection is opened, logged in and closed, and then the next one. */
export const logIn = async (parameters: LoginParameters): Promise<Counted> => {
  const { url, login, loginCount, togetherCount } = parameters
  const startedAt = performance.now()
  let leftCount = loginCount
  const goOn = async (): Promise<void> => {
    while (leftCount > 0) {
      leftCount -= 1
      const connection = await RawConnection.open(url, { login, readBytes: READ_BYTES })
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: togetherCount }, goOn))
  return { count: loginCount, elapsedMs: performance.now() - startedAt }
}

const frameOf = ({ login, isBare }: RenewalParameters): Uint8Array => {
  const response = plainBytesOf(login)
  if (isBare === true) return encodeFrame(Opcode.PING, 0, FIRST_CORRELATION, new Uint8Array(0))
  const body = encodeAuthenticate({ mechanism: 'PLAIN', response })
  return encodeFrame(Opcode.AUTHENTICATE, 0, FIRST_CORRELATION, body)
}

/** Open connections say again and again who they are: logins without connections around them. */
export const renewLogin = async (parameters: RenewalParameters): Promise<Counted> => {
  const { url, login, durationMs, connectionCount, windowCount, isBare } = parameters
  const connections: RawConnection[] = []
  try {
    for (let count = 0; count < connectionCount; count++) {
      connections.push(await RawConnection.open(url, { login }))
    }
    const frames = [frameOf(parameters)]
    const answerOpcode = isBare === true ? Opcode.PONG : Opcode.AUTHENTICATED
    const startedAt = performance.now()
    const loads = connections.map(
      (connection) => new RawLoad(connection, { frames, windowCount, durationMs, answerOpcode }),
    )
    const failures = connections.map(({ failed }) => failed)
    const counts = await Promise.race([Promise.all(loads.map((load) => load.run())), ...failures])
    const count = counts.reduce((sum, one) => sum + one, 0)
    return { count, elapsedMs: performance.now() - startedAt }
  } finally {
    for (const connection of connections) connection.close()
  }
}
