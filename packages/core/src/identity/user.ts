/** A user as the metadata keeps it, what may be shown of it, and which names are good. */
import { BrokerError } from '@millrace/codec'
import type { PrincipalQuotas } from '../engine/operations.ts'
import { checkName, shownName } from '../names.ts'
import {
  CERTIFICATE_NAMES_COUNT_MAX,
  CREDENTIALS_COUNT_MAX,
  CREDENTIAL_CHARACTERS_MAX,
} from './limits.ts'

export interface UserDescription {
  readonly user: string
  readonly revision: number
  readonly createdAtMs: number
  readonly changedAtMs: number
  /** May do everything; no permission is asked. */
  readonly isAdministrator: boolean
  /** May not log in, and may do nothing while logged in. */
  readonly isDisabled: boolean
  /** Names of client certificates that stand for this user. */
  readonly certificateNames: readonly string[]
  /** What differs for this user from the quotas of the configuration. */
  readonly quotas?: PrincipalQuotas | undefined
  readonly hasPassword: boolean
}

/** For authenticators only: it holds what a password is checked against. */
export interface User extends Omit<UserDescription, 'hasPassword'> {
  /** Never used again, so that a session of a deleted user is not one of its successor. */
  readonly id: number
  /** By the name of a scheme, in that scheme's own text form. */
  readonly credentials: Readonly<Record<string, string>>
}

export interface UserChange {
  readonly user: string
  /** True: ERR_USER_EXISTS when it is there. False: ERR_USER_NOT_FOUND when it is not. */
  readonly create: boolean
  /** Only if the user still has this revision. */
  readonly revision?: number | undefined
  readonly isAdministrator?: boolean | undefined
  readonly isDisabled?: boolean | undefined
  readonly certificateNames?: readonly string[] | undefined
  /** Replaces all; an empty map goes back to those of the configuration. */
  readonly quotas?: PrincipalQuotas | undefined
  /** Replaces all; an empty map takes the password away. */
  readonly credentials?: Readonly<Record<string, string>> | undefined
}

const reserved: readonly string[] = ['*', 'anonymous']

/**
 * Throws ERR_INVALID_NAME. Stricter than other names: a colon parts name from password or namespace
 * in other protocols, and two spellings of one name would be two users that look alike.
 */
export const checkUserName = (name: string): void => {
  checkName(name)
  const refuse = (reason: string): never => {
    throw new BrokerError('ERR_INVALID_NAME', [shownName(name), reason])
  }
  if (reserved.includes(name)) refuse('it is reserved')
  if (name.includes(':')) refuse('a user has no colon in its name')
  if (name.normalize('NFKC') !== name) refuse('it is not in the normal form NFKC')
}

export const checkUserChange = (change: UserChange): void => {
  const { user, certificateNames, credentials, quotas } = change
  checkUserName(user)
  if (quotas !== undefined) checkQuotas(quotas)
  if (certificateNames !== undefined) checkCertificateNames(certificateNames)
  const entries = Object.entries(credentials ?? {})
  const isTooMuch =
    entries.length > CREDENTIALS_COUNT_MAX ||
    entries.some(([, text]) => text.length > CREDENTIAL_CHARACTERS_MAX)
  if (isTooMuch) throw new BrokerError('ERR_INVALID_ARGUMENT', ['credentials', 'they are too long'])
}

const checkQuotas = (quotas: PrincipalQuotas): void => {
  const isGood = Object.values(quotas).every(
    (value) => value === undefined || (Number.isSafeInteger(value) && value >= 0),
  )
  if (isGood) return
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['quotas', 'whole numbers, 0 for no limit'])
}

const checkCertificateNames = (names: readonly string[]): void => {
  const isGood =
    names.length <= CERTIFICATE_NAMES_COUNT_MAX &&
    names.every((name) => name.length > 0 && name.length <= 255)
  if (isGood) return
  const reason = `at most ${CERTIFICATE_NAMES_COUNT_MAX} names of 1 to 255 characters`
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['certificateNames', reason])
}

export const describeUser = (user: User): UserDescription => ({
  user: user.user,
  revision: user.revision,
  createdAtMs: user.createdAtMs,
  changedAtMs: user.changedAtMs,
  isAdministrator: user.isAdministrator,
  isDisabled: user.isDisabled,
  certificateNames: user.certificateNames,
  quotas: user.quotas,
  hasPassword: Object.keys(user.credentials).length > 0,
})

/** What a change makes of a user that is there, or of nobody. */
export const mergeUser = (
  id: number,
  change: UserChange,
  before: User | undefined,
  nowMs: number,
): User => {
  const base = before ?? newUser(id, change.user, nowMs)
  return {
    ...base,
    revision: base.revision + 1,
    changedAtMs: nowMs,
    isAdministrator: change.isAdministrator ?? base.isAdministrator,
    isDisabled: change.isDisabled ?? base.isDisabled,
    certificateNames: [...new Set(change.certificateNames ?? base.certificateNames)],
    quotas: change.quotas ?? base.quotas,
    credentials: change.credentials ?? base.credentials,
  }
}

const newUser = (id: number, user: string, nowMs: number): User => ({
  id,
  user,
  revision: 0,
  createdAtMs: nowMs,
  changedAtMs: nowMs,
  isAdministrator: false,
  isDisabled: false,
  certificateNames: [],
  credentials: {},
})
