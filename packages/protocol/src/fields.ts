/**
 * Typed fields of a control map. A missing key and nil are the same; a key of another type or out of
 * range is ERR_MALFORMED_BODY naming the field. Unknown keys are nobody's business.
 */
import { BrokerError } from '@millrace/codec'
import type { ControlMap } from './msgpack.ts'

export const malformedField = (name: string, expected: string): BrokerError =>
  new BrokerError('ERR_MALFORMED_BODY', [`field '${name}' must be ${expected}`])

/** Own keys only: `constructor` is not a field of every map. */
export const fieldOf = (map: ControlMap, name: string): unknown =>
  Object.hasOwn(map, name) ? (map[name] ?? undefined) : undefined

export const asInteger = (value: unknown, name: string, low: number, high: number): number => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) {
    return value === 0 ? 0 : value
  }
  throw malformedField(name, `an integer from ${low} to ${high}`)
}

export const asString = (value: unknown, name: string): string => {
  if (typeof value === 'string') return value
  throw malformedField(name, 'a string')
}

export const asMap = (value: unknown, name: string): ControlMap => {
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  if (isMap) return value as ControlMap
  throw malformedField(name, 'a map')
}

export const requireInteger = (map: ControlMap, name: string, low: number, high: number): number =>
  asInteger(fieldOf(map, name), name, low, high)

export const optionalInteger = <T>(
  map: ControlMap,
  name: string,
  low: number,
  high: number,
  fallback: T,
): number | T => {
  const value = fieldOf(map, name)
  return value === undefined ? fallback : asInteger(value, name, low, high)
}

export const requireString = (map: ControlMap, name: string): string =>
  asString(fieldOf(map, name), name)

export const optionalString = <T>(map: ControlMap, name: string, fallback: T): string | T => {
  const value = fieldOf(map, name)
  return value === undefined ? fallback : asString(value, name)
}

export const optionalBoolean = <T>(map: ControlMap, name: string, fallback: T): boolean | T => {
  const value = fieldOf(map, name)
  if (value === undefined) return fallback
  if (typeof value === 'boolean') return value
  throw malformedField(name, 'true or false')
}

export const requireBoolean = (map: ControlMap, name: string): boolean => {
  const value = optionalBoolean(map, name, undefined)
  if (value === undefined) throw malformedField(name, 'true or false')
  return value
}

/** A copy: what a decoder hands out may be a view of a chunk. */
export const optionalBytes = (map: ControlMap, name: string): Uint8Array | undefined => {
  const value = fieldOf(map, name)
  if (value === undefined) return undefined
  if (value instanceof Uint8Array) return new Uint8Array(value)
  throw malformedField(name, 'binary')
}

export const requireMap = (map: ControlMap, name: string): ControlMap =>
  asMap(fieldOf(map, name), name)

export const optionalMap = (map: ControlMap, name: string): ControlMap | undefined => {
  const value = fieldOf(map, name)
  return value === undefined ? undefined : asMap(value, name)
}

export const optionalList = <Item, T>(
  map: ControlMap,
  name: string,
  readItem: (value: unknown, name: string) => Item,
  fallback: T,
): Item[] | T => {
  const value = fieldOf(map, name)
  if (value === undefined) return fallback
  if (!Array.isArray(value)) throw malformedField(name, 'an array')
  return value.map((item, index) => readItem(item, `${name}[${index}]`))
}

export const requireList = <Item>(
  map: ControlMap,
  name: string,
  readItem: (value: unknown, name: string) => Item,
): Item[] => {
  const list = optionalList(map, name, readItem, undefined)
  if (list === undefined) throw malformedField(name, 'an array')
  return list
}
