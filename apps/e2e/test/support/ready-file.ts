/** What a broker writes once it serves: its process id and the port of every listener. */
import { readFile } from 'node:fs/promises'

export interface Ready {
  readonly pid: number
  readonly native: number
  readonly http: number
  readonly kafka: number
  readonly amqp: number
}

/** `undefined` while the file is not there yet, or not written to its end. */
export const readReadyFile = async (path: string): Promise<Ready | undefined> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Ready
  } catch {
    return undefined
  }
}
