/** What a peer says about the channel itself. */
import { channelError, commandInvalid, notImplemented } from '../errors.ts'
import type { HandlersOf } from '../method-handlers.ts'

const TICKET = 1

export const channelHandlers: HandlersOf<
  | 'channel.open'
  | 'channel.flow'
  | 'channel.flow-ok'
  | 'channel.close'
  | 'channel.close-ok'
  | 'access.request'
> = {
  // The first one made the channel: see the session.
  'channel.open': () => {
    throw channelError("second 'channel.open' seen")
  },
  'channel.flow': (channel, { active }) => {
    if (!active) throw notImplemented('active=false')
    channel.reply('channel.flow-ok', { active })
  },
  'channel.flow-ok': () => undefined,
  // Who publishes and goes leaves nothing behind that others do not see yet.
  'channel.close': async (channel) => {
    await channel.publisher.through()
    channel.closeByPeer()
  },
  'channel.close-ok': () => {
    throw commandInvalid('unimplemented method')
  },
  'access.request': (channel) => channel.reply('access.request-ok', { ticket: TICKET }),
}
