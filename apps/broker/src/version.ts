/** The version of this program: package.json is the one place where it stands. */
import { readFileSync } from 'node:fs'

export const readVersion = (): string => {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
