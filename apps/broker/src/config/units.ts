/** `512mb`, `7d`, `15s`: numbers with units, as people write them, and back. */
const byteUnits: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  kib: 1024,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
  gb: 1024 ** 3,
  gib: 1024 ** 3,
  tb: 1024 ** 4,
  tib: 1024 ** 4,
}

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const QUANTITY = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i

/** Whole bytes or milliseconds; `undefined` when the text is no such quantity. */
const parseQuantity = (
  text: string,
  units: Readonly<Record<string, number>>,
): number | undefined => {
  const match = QUANTITY.exec(text.trim())
  if (match === null) return undefined
  const unit = (match[2] ?? '').toLowerCase()
  const factor = unit === '' ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined
  if (factor === undefined) return undefined
  const value = Number(match[1]) * factor
  return Number.isSafeInteger(value) ? value : undefined
}

export const parseBytes = (text: string): number | undefined => parseQuantity(text, byteUnits)

/** A number without a unit is milliseconds. */
export const parseDuration = (text: string): number | undefined =>
  parseQuantity(text, durationUnits)

const format = (value: number, steps: readonly (readonly [string, number])[]): string => {
  for (const [unit, factor] of steps) {
    if (value !== 0 && value % factor === 0) return `${value / factor}${unit}`
  }
  return String(value)
}

export const formatBytes = (value: number): string =>
  format(value, [
    ['gb', 1024 ** 3],
    ['mb', 1024 ** 2],
    ['kb', 1024],
  ])

export const formatDuration = (value: number): string =>
  format(value, [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ])
