/**
 * The ready file: who waits for the broker reads its ports here. It is whole or not there, because
 * it is written under another name first; it is there only while the broker serves.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs'

/** `pid` and the port of every listener under its name. */
export interface ReadyContent {
  readonly pid: number
  readonly [listener: string]: number
}

export const writeReadyFile = (path: string, content: ReadyContent): void => {
  const draft = `${path}.${process.pid}.tmp`
  writeFileSync(draft, `${JSON.stringify(content)}\n`)
  renameSync(draft, path)
}

export const removeReadyFile = (path: string): void => {
  rmSync(path, { force: true })
}
