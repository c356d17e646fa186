/** The kinds of settings, and short words to write rows of the table with. */
export interface KeyBase<Kind extends string, Value> {
  readonly kind: Kind
  readonly default: Value
  readonly description: string
}

export interface Ranged<Kind extends string> extends KeyBase<Kind, number> {
  readonly min: number
  readonly max: number
}

export interface Choice extends KeyBase<'choice', string> {
  readonly choices: readonly string[]
}

export type ConfigKey =
  | KeyBase<'text', string>
  | KeyBase<'switch', boolean>
  /** A number, or `off`. 0 lets the operating system choose. */
  | KeyBase<'port', number | 'off'>
  | Ranged<'bytes'>
  | Ranged<'duration'>
  | Ranged<'count'>
  | Choice

export type ConfigValue = string | number | boolean

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const DAY = 24 * 60 * MINUTE

export const text = (standard: string, description: string): KeyBase<'text', string> => ({
  kind: 'text',
  default: standard,
  description,
})

export const toggle = (standard: boolean, description: string): KeyBase<'switch', boolean> => ({
  kind: 'switch',
  default: standard,
  description,
})

export const port = (standard: number, description: string): KeyBase<'port', number | 'off'> => ({
  kind: 'port',
  default: standard,
  description,
})

const ranged =
  <Kind extends 'bytes' | 'duration' | 'count'>(kind: Kind) =>
  (standard: number, min: number, max: number, description: string): Ranged<Kind> => ({
    kind,
    default: standard,
    min,
    max,
    description,
  })

export const bytes = ranged('bytes')
export const duration = ranged('duration')
export const count = ranged('count')

export const choice = (
  standard: string,
  choices: readonly string[],
  description: string,
): Choice => ({
  kind: 'choice',
  default: standard,
  choices,
  description,
})
