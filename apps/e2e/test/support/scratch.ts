/**
 * A directory of a test's own, away when the test file is done; with MILLRACE_E2E_KEEP=1 it stays, for
 * a look at what a failure left.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Scratch {
  readonly path: string
  /** A path in it that was not given out before. */
  next(name: string): string
  remove(): void
}

export const createScratch = (name: string): Scratch => {
  const path = mkdtempSync(join(tmpdir(), `millrace-e2e-${name}-`))
  let count = 0
  return {
    path,
    next: (child) => join(path, `${child}-${++count}`),
    remove: () => {
      if (process.env['MILLRACE_E2E_KEEP'] === '1') process.stdout.write(`    kept: ${path}\n`)
      else rmSync(path, { recursive: true, force: true })
    },
  }
}
