/**
 * Runs other programs: their output goes through as it comes, and a last line
 * `RESULT {"passed":1,"failed":0,"skipped":0}` is taken as their count of tests.
 */
import { spawn } from 'node:child_process'
import { inRoot, root } from './workspace.mjs'

const resultLine = /^RESULT (\{.*\})$/

/** Passes chunks on and remembers the last `RESULT` line. */
const countingTap = (target) => {
  let rest = ''
  let counts
  const read = (line) => {
    const match = resultLine.exec(line)
    if (match) counts = JSON.parse(match[1])
  }
  return {
    write(chunk) {
      target.write(chunk)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      lines.forEach(read)
    },
    counts() {
      read(rest)
      return counts
    },
  }
}

/** Leaders of the process groups under way: when this process is ended, so are they. */
const leaders = new Set()

const signalGroup = (leader, signal) => {
  try {
    process.kill(-leader, signal)
  } catch {
    // The group is gone already.
  }
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 }
for (const [signal, code] of Object.entries(exitCodes)) {
  process.once(signal, () => {
    for (const leader of leaders) signalGroup(leader, signal)
    process.exit(code)
  })
}

const graceMs = 5_000

/** Asks a group to end once its time is over, then makes it. */
const endAfter = (leader, minutesMax) => {
  if (minutesMax === undefined) return () => {}
  const ask = setTimeout(() => {
    console.log(`not done in ${minutesMax} min: ending it`)
    signalGroup(leader, 'SIGTERM')
  }, minutesMax * 60_000)
  const make = setTimeout(() => signalGroup(leader, 'SIGKILL'), minutesMax * 60_000 + graceMs)
  return () => {
    clearTimeout(ask)
    clearTimeout(make)
  }
}

/**
 * Resolves with `{ code, counts }`; never rejects because of what the program did. The program leads
 * a process group, so that nothing it started outlives `minutesMax` or this process.
 */
export const run = (program, parameters, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    leaders.add(child.pid)
    const cancelEnd = endAfter(child.pid, options.minutesMax)
    const tap = countingTap(options.isQuiet ? { write() {} } : process.stdout)
    child.stdout.setEncoding('utf8').on('data', (chunk) => tap.write(chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      cancelEnd()
      leaders.delete(child.pid)
      if (signal) console.log(`${program} was ended by ${signal}`)
      resolve({ code: code ?? 1, counts: tap.counts() })
    })
  })

export const runNode = (parameters, options) => run(process.execPath, parameters, options)

const bin = (...parts) => inRoot('node_modules', ...parts)

/** Type checks and builds what is stale of the given projects, all of them when none is given. */
export const buildTypes = (projects = [], options) =>
  runNode([bin('typescript', 'bin', 'tsc'), '-b', ...projects], options)

/** Without the daemon: nothing stays behind. */
const runNx = (parameters, options) =>
  runNode([bin('nx', 'dist', 'bin', 'nx.js'), ...parameters], {
    ...options,
    env: { NX_DAEMON: 'false', NX_TUI: 'false' },
  })

/** One Nx target in every package that has it; an unchanged package answers from the cache. */
export const runTarget = (target, options) =>
  runNx(['run-many', '-t', target, '--parallel=2', '--outputStyle=static'], options)

export const refreshProjectGraph = () => runNx(['show', 'projects'], { isQuiet: true })

export const runLint = (parameters) =>
  runNode([bin('eslint', 'bin', 'eslint.js'), '.', ...parameters], {
    env: { NX_DAEMON: 'false' },
  })

export const runPrettier = (parameters, options) =>
  runNode([bin('prettier', 'bin', 'prettier.cjs'), ...parameters], options)

export const runJest = (directory, parameters, env) =>
  runNode([bin('jest', 'bin', 'jest.js'), ...parameters], { cwd: inRoot(directory), env })

/** npm as the user called it, so that no other npm of the machine gets in. */
export const runNpm = (parameters, options) =>
  process.env.npm_execpath?.endsWith('.js')
    ? runNode([process.env.npm_execpath, ...parameters], options)
    : run('npm', parameters, options)
