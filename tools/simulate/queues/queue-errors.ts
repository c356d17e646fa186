/** Which errors of calls of exchanges and queues have a cause. */
import type { ErrorCode } from '@millrace/codec'
import type { Life } from '../life.ts'
import { codeOf } from '../read-check.ts'

/** `expected`: what else may be answered, because something is being changed. */
export const demandCause = (
  life: Life,
  what: string,
  error: unknown,
  expected: readonly ErrorCode[] = [],
): ErrorCode => {
  const code = codeOf(error)
  if (code === undefined) throw error
  const { hasFaulted, fatal, wasFull, isEnding, simulation } = life
  simulation.note(`${what}: ${code}`)
  if (hasFaulted || fatal !== undefined || expected.includes(code)) return code
  if (code === 'ERR_STORAGE_FULL' && wasFull) return code
  if (code === 'ERR_CLOSED' && isEnding) return code
  return simulation.violate('I11', `${what} failed without a cause: ${code}`)
}
