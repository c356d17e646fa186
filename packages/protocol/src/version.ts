/**
 * The version of the protocol and the rule that picks one. Not the version of a package, nor of the
 * files on disk: the three move on their own.
 */
import { BrokerError } from '@millrace/codec'

/** The first field of every CONNECT, so that a stray MessagePack speaker is told apart. */
export const PROTOCOL_MAGIC = 'millrace'

export const PROTOCOL_VERSION = 1

/** Newest first. */
export const PROTOCOL_VERSIONS: readonly number[] = [PROTOCOL_VERSION]

/** The highest version both sides speak; throws ERR_UNSUPPORTED_VERSION when there is none. */
export const negotiateVersion = (
  offered: readonly number[],
  spoken: readonly number[] = PROTOCOL_VERSIONS,
): number => {
  let best = 0
  for (const version of offered) {
    if (version > best && spoken.includes(version)) best = version
  }
  if (best === 0) {
    throw new BrokerError('ERR_UNSUPPORTED_VERSION', [
      offered.join(', ') || 'none',
      spoken.join(', '),
    ])
  }
  return best
}
