/** What the kernel says of a process: CPU of all its threads, and resident memory. Linux only. */
import { readFile, readdir } from 'node:fs/promises'
import { sum } from './statistics.ts'

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10
/** Fields of /proc/PID/stat, counted from behind the closing parenthesis of the name. */
const PARENT_AT = 1
const USER_TICKS_AT = 11
const SYSTEM_TICKS_AT = 12
/** Of children that have ended. */
const ENDED_USER_TICKS_AT = 13
const ENDED_SYSTEM_TICKS_AT = 14

export interface CpuTimes {
  readonly userMs: number
  /** Spent in the kernel on behalf of the process. */
  readonly systemMs: number
}

/** Numbers of /proc/PID/stat from behind the name; `undefined` when there is no such process. */
const readStat = async (pid: number): Promise<readonly string[] | undefined> => {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

const msOf = (stat: readonly string[], ...indexes: readonly number[]): number =>
  sum(indexes.map((index) => Number(stat[index]) * TICK_MS))

/** All threads of the process together, NaN where there is no /proc. */
export const cpuTimesOf = async (pid: number): Promise<CpuTimes> => {
  const stat = await readStat(pid)
  if (stat === undefined) return { userMs: Number.NaN, systemMs: Number.NaN }
  return { userMs: msOf(stat, USER_TICKS_AT), systemMs: msOf(stat, SYSTEM_TICKS_AT) }
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

/** The process and all that descend from it, by their ids. */
const readTree = async (root: number): Promise<ReadonlyMap<number, readonly string[]>> => {
  const tree = new Map<number, readonly string[]>()
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const stats = new Map<number, readonly string[]>()
  for (const pid of pids) {
    const stat = await readStat(pid)
    if (stat !== undefined) stats.set(pid, stat)
  }
  const add = (pid: number): void => {
    const stat = stats.get(pid)
    if (stat === undefined) return
    tree.set(pid, stat)
    for (const [child, fields] of stats) if (Number(fields[PARENT_AT]) === pid) add(child)
  }
  add(root)
  return tree
}

/** With its children, also those that have ended. */
export const cpuTimesOfTree = async (pid: number): Promise<CpuTimes> => {
  const stats = [...(await readTree(pid)).values()]
  return {
    userMs: sum(stats.map((stat) => msOf(stat, USER_TICKS_AT, ENDED_USER_TICKS_AT))),
    systemMs: sum(stats.map((stat) => msOf(stat, SYSTEM_TICKS_AT, ENDED_SYSTEM_TICKS_AT))),
  }
}

export const residentBytesOfTree = async (pid: number): Promise<number> =>
  sum(await Promise.all([...(await readTree(pid)).keys()].map(residentBytesOf)))
