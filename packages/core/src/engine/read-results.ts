/** Read results from slices, errors and logs. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Log } from '../log/log.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { ReadResult } from './operations.ts'

export const resultOf = (log: Log, slice: LogSlice): ReadResult => {
  const isEmpty = slice.byteLength === 0
  if (isEmpty) slice.release()
  return {
    error: undefined,
    highWatermark: log.highWatermark,
    earliestOffset: log.earliestOffset,
    nextOffset: slice.nextOffset,
    epoch: log.epoch,
    lease: isEmpty ? undefined : slice,
  }
}

export const failedResult = (
  log: Log | undefined,
  offset: number,
  error: BrokerError,
): ReadResult => ({
  error,
  highWatermark: log?.highWatermark ?? 0,
  earliestOffset: log?.earliestOffset ?? 0,
  nextOffset: offset,
  epoch: log?.epoch ?? 0,
  lease: undefined,
})

export const asBrokerError = (error: unknown): BrokerError =>
  isBrokerError(error) ? error : new BrokerError('ERR_INTERNAL', [], { cause: error })
