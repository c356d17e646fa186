/** Operating-system errors by their `code`: they may come from another realm, so no `instanceof`. */
import { BrokerError } from '@millrace/codec'

export const hasErrorCode = (error: unknown, code: string): boolean =>
  (error as { code?: unknown } | null)?.code === code

/** The disk has no room: nothing was promised yet, so the request can be refused. */
export const isDiskFull = (error: unknown): boolean =>
  hasErrorCode(error, 'ENOSPC') ||
  hasErrorCode(error, 'EDQUOT') ||
  // The journal's own word for it, to whoever submitted an item.
  hasErrorCode(error, 'ERR_STORAGE_FULL')

/** For what shares the fate of something that found no room. */
export const diskFull = (): BrokerError =>
  new BrokerError('ERR_STORAGE_FULL', ['no room for all that belongs together'])

/**
 * Waits for a sync. The crash story: file systems that place data late report a full disk only here,
 * when the write was taken and its pages are lost. So no error of a sync is borne, not even ENOSPC.
 */
export const synced = async (sync: Promise<void>): Promise<void> => {
  try {
    await sync
  } catch (cause) {
    throw new BrokerError('ERR_STORAGE_FAILED', [], { cause })
  }
}

export const describeError = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? `${code} ${String(message)}` : String(message ?? error)
}
