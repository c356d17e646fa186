/** FETCH: a read with a long poll. */
import { BrokerError } from '@millrace/codec'
import { createFetch, decodeFetch, type Frame } from '@millrace/protocol'
import { FETCH_WAIT_MS_MAX } from '../../limits.ts'
import type { NativeSession } from '../native-session.ts'

export const handleFetch = (session: NativeSession, frame: Frame): void => {
  const { handles, fetches } = session.open
  const fetch = decodeFetch(frame.body, createFetch())
  const open = handles.find(fetch.handle)
  if (open === undefined) throw new BrokerError('ERR_STALE_HANDLE')
  fetches.add(frame.channel, frame.correlation, {
    handle: open.topic,
    partition: fetch.partition,
    offset: fetch.offset,
    bytesMax: fetch.maxBytes,
    bytesMin: fetch.minBytes,
    waitMsMax: fetch.minBytes === 0 ? 0 : Math.min(fetch.maxWaitMs, FETCH_WAIT_MS_MAX),
    mayStayInFile: session.connection.sendsFiles,
  })
}
