/**
 * Who a command logs in as: flags over the environment. Passwords and tokens come from files only:
 * what stands on a command line or in the environment is seen by others.
 */
import { readFileSync } from 'node:fs'
import type { AuthOptions } from '@millrace/client-core'
import { UsageError } from './failure.ts'

export interface LoginOptions {
  readonly user?: string
  readonly passwordFile?: string
  readonly tokenFile?: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** `undefined`: as nobody. */
export const loginOf = (
  options: LoginOptions,
  environment: Environment,
): AuthOptions | undefined => {
  const hasFlag = options.user !== undefined || options.tokenFile !== undefined
  const named = (name: string): string | undefined =>
    hasFlag ? undefined : environment[name] || undefined
  const tokenFile = options.tokenFile ?? named('MILLRACE_TOKEN_FILE')
  // Read anew when the token is about to expire: whoever refreshes it writes the file.
  if (tokenFile !== undefined) return { token: () => readSecret(tokenFile) }
  const username = options.user ?? named('MILLRACE_USER')
  if (username === undefined) return undefined
  const passwordFile = options.passwordFile ?? (environment['MILLRACE_PASSWORD_FILE'] || undefined)
  if (passwordFile === undefined) {
    const next = 'give --password-file, or MILLRACE_PASSWORD_FILE'
    throw new UsageError(`there is no password for user '${username}'`, next)
  }
  return { username, password: readSecret(passwordFile) }
}

/** Without the line end that editors leave. `-` is standard input. */
export const readSecret = (file: string): string => {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '')
  if (text === '') throw new UsageError(`'${file}' is empty`, 'write the secret into it')
  return text
}
