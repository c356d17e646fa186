/**
 * What `strace -f -ttt -yy -xx -o FILE` wrote, as system calls in the order in which they began and
 * ended. Places in that order are line numbers: a call that others overlapped has two of them.
 *
 *     101 1700000000.1 pwrite64(7<\x2f…>, "\x4d…", 512, 0) = 512
 *     102 1700000000.2 fdatasync(7<\x2f…> <unfinished ...>
 *     101 1700000000.3 write(20<TCP:[127.0.0.1:7420->127.0.0.1:5000]>, "\x00…", 44) = 44
 *     102 1700000000.4 <... fdatasync resumed>) = 0
 */
export interface SystemCall {
  readonly thread: number
  readonly name: string
  /** Where it began and where it returned, as line numbers. */
  readonly begin: number
  readonly end: number
  /** The path or socket of the file descriptor that is its first argument. */
  readonly target: string | undefined
  /** The file it opened: path of the descriptor it returned. */
  readonly opened: string | undefined
  /** All strings among its arguments: data and paths. */
  readonly strings: readonly Buffer[]
  readonly text: string
  /** -1 with an error; `undefined` when it never returned. */
  readonly result: number | undefined
  readonly error: string | undefined
}

const LINE = /^(\d+) +(\d+\.\d+) (.*)$/
const UNFINISHED = / <unfinished \.\.\.>$/
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/s
const CALL = /^(\w+)\((.*)$/s
const RESULT = /\) += (-?\d+|\?)(?:<((?:\\x[0-9a-f]{2}|[^>\\])*)>)?(?: (E[A-Z]+))?/
const TARGET = /^\d+<(TCP:\[[^\]]*\]|[^>]*)>/
const STRING = /"((?:\\x[0-9a-f]{2})*)"/g

const decode = (hex: string): Buffer => Buffer.from(hex.replaceAll('\\x', ''), 'hex')

/** Paths are hexadecimal, names of sockets are not. */
const nameOf = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  return text.startsWith('\\x') ? decode(text).toString() : text
}

const parseCall = (
  thread: number,
  begin: number,
  end: number,
  text: string,
): SystemCall | undefined => {
  const match = CALL.exec(text)
  if (match === null) return undefined
  const [, name = '', rest = ''] = match
  const [, result, opened, error] = RESULT.exec(rest) ?? []
  const known = result === undefined || result === '?' ? undefined : Number(result)
  return {
    thread,
    name,
    begin,
    end,
    target: nameOf(TARGET.exec(rest)?.[1]),
    opened: nameOf(opened),
    strings: [...rest.matchAll(STRING)].map(([, hex = '']) => decode(hex)),
    text,
    result: known,
    error,
  }
}

/** In the order in which they returned; those that never did are left out. */
export const parseSystemCalls = (log: string): SystemCall[] => {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { begin: number; text: string }>()
  log.split('\n').forEach((line, index) => {
    const [, thread, , text = ''] = LINE.exec(line) ?? []
    if (thread === undefined) return
    if (UNFINISHED.test(text)) {
      unfinished.set(thread, { begin: index, text: text.replace(UNFINISHED, '') })
      return
    }
    const resumed = RESUMED.exec(text)
    const first = resumed === null ? undefined : unfinished.get(thread)
    if (first !== undefined) unfinished.delete(thread)
    const whole = resumed === null ? text : `${first?.text ?? ''}${resumed[2] ?? ''}`
    const call = parseCall(Number(thread), first?.begin ?? index, index, whole)
    if (call !== undefined) calls.push(call)
  })
  return calls
}

export const holds = (call: SystemCall, marker: Buffer | string): boolean =>
  call.strings.some((one) => one.includes(marker))
