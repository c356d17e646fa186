/** What a client asks for in `tune-ok`, against what it was offered. */
import { type AmqpFault, notAllowed } from './errors.ts'
import type { AmqpSettings } from './amqp-settings.ts'
import { FRAME_BYTES_MIN } from './limits.ts'
import type { MethodFields } from './codec/methods.ts'

export interface Tuning {
  readonly channelsMax: number
  readonly frameBytesMax: number
  /** 0 for none. */
  readonly heartbeatSeconds: number
}

/** Throws NOT_ALLOWED for more than was offered; 0 asks for no limit, which is more. */
export const tuningOf = (
  { channelMax, frameMax, heartbeat }: MethodFields<'connection.tune-ok'>,
  offered: AmqpSettings,
): Tuning => {
  checkMax('channel_max', channelMax, offered.channelsMax)
  checkMax('frame_max', frameMax, offered.frameBytesMax)
  if (frameMax < FRAME_BYTES_MIN) {
    throw refused('frame_max', `${frameMax} is lower than the minimum`, FRAME_BYTES_MIN)
  }
  return { channelsMax: channelMax, frameBytesMax: frameMax, heartbeatSeconds: heartbeat }
}

const checkMax = (name: string, asked: number, offered: number): void => {
  if (asked !== 0 && asked <= offered) return
  const words = asked === 0 ? '0 (no limit)' : String(asked)
  throw refused(name, `${words} is higher than the maximum`, offered)
}

const refused = (name: string, words: string, limit: number): AmqpFault =>
  notAllowed(`negotiated ${name} = ${words} allowed value (${limit})`, 'ERR_LIMIT_EXCEEDED')
