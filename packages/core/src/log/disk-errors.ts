/** Operating-system errors by their `code`: they may come from another realm, so no `instanceof`. */
export const hasErrorCode = (error: unknown, code: string): boolean =>
  (error as { code?: unknown } | null)?.code === code

/** The disk has no room: nothing was promised yet, so the request can be refused. */
export const isDiskFull = (error: unknown): boolean =>
  hasErrorCode(error, 'ENOSPC') || hasErrorCode(error, 'EDQUOT')

export const describeError = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? `${code} ${String(message)}` : String(message ?? error)
}
