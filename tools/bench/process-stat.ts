/** What the kernel says of a process: CPU of all its threads, and resident memory. Linux only. */
import { readFile } from 'node:fs/promises'

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10
/** Fields of /proc/PID/stat, counted from behind the closing parenthesis of the name. */
const USER_TICKS_AT = 11
const SYSTEM_TICKS_AT = 12

export interface CpuTimes {
  readonly userMs: number
  /** Spent in the kernel on behalf of the process. */
  readonly systemMs: number
}

/** All threads of the process together, NaN where there is no /proc. */
export const cpuTimesOf = async (pid: number): Promise<CpuTimes> => {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const msAt = (index: number): number => Number(fields[index]) * TICK_MS
    return { userMs: msAt(USER_TICKS_AT), systemMs: msAt(SYSTEM_TICKS_AT) }
  } catch {
    return { userMs: Number.NaN, systemMs: Number.NaN }
  }
}

/** User and system time of the process in ms, NaN where there is no /proc. */
export const cpuMsOf = async (pid: number): Promise<number> => {
  const { userMs, systemMs } = await cpuTimesOf(pid)
  return userMs + systemMs
}

/** Resident memory in bytes, NaN where there is no /proc. */
export const residentBytesOf = async (pid: number): Promise<number> => {
  try {
    const text = await readFile(`/proc/${pid}/status`, 'utf8')
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(text)
    return match === null ? Number.NaN : Number(match[1]) * 1024
  } catch {
    return Number.NaN
  }
}
