/** The flags that are settings, as the configuration takes them. */
import type { FlagValue } from '../config/config.ts'
import { settingFlags } from './program.ts'

const optionNameOf = (flag: string): string =>
  flag.slice(2).replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase())

export const flagValues = (options: Readonly<Record<string, string>>): readonly FlagValue[] =>
  settingFlags.flatMap(([flag, , path]) => {
    const value = options[optionNameOf(flag)]
    return value === undefined ? [] : [{ path, flag, value }]
  })
