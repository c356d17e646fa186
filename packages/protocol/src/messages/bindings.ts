/**
 * Bindings: where messages go from an exchange.
 *
 * ```
 * BIND           { exchange: str, targetKind: str, target: str, routingKey?: str, match?: str,
 *                  headers?: {str: str | nil}, typedHeaders?: {str: str}, labels?: {str: str} }
 * BOUND          { }                      UNBIND as BIND          UNBOUND { }
 * BINDING_LIST   { exchange?: str, target?: str, targetKind?: str, skip?: int }
 * BINDING_LISTED { bindings: [as BIND], more?: bool }
 * ```
 */
import {
  asMap,
  asString,
  malformedField,
  optionalBoolean,
  optionalInteger,
  optionalMap,
  optionalString,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

export const targetKinds = ['queue', 'topic', 'exchange'] as const
export type TargetKind = (typeof targetKinds)[number]

export const headerMatches = ['all', 'any', 'all-with-x', 'any-with-x'] as const
export type HeaderMatch = (typeof headerMatches)[number]

export interface Binding {
  readonly exchange: string
  readonly targetKind: TargetKind
  readonly target: string
  readonly routingKey: string
  readonly match?: HeaderMatch | undefined
  /** `null`: the header must be there, whatever it says. */
  readonly headers?: Readonly<Record<string, string | null>> | undefined
  /** Values of another protocol, as the broker writes them down. */
  readonly typedHeaders?: Readonly<Record<string, string>> | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export interface BindingList {
  readonly exchange?: string | undefined
  readonly target?: string | undefined
  readonly targetKind?: TargetKind | undefined
  /** Pass over so many: where the page before ended. */
  readonly skip: number
}

export interface BindingListed {
  readonly bindings: readonly Binding[]
  readonly more?: boolean | undefined
}

const oneOf = <Text extends string>(
  value: string | undefined,
  name: string,
  texts: readonly Text[],
): Text | undefined => {
  const found = texts.find((text) => text === value)
  if (found === undefined && value !== undefined) {
    throw malformedField(name, `one of ${texts.join(', ')}`)
  }
  return found
}

const optionalTexts = (
  map: ControlMap,
  name: string,
): Readonly<Record<string, string>> | undefined => {
  const texts = optionalMap(map, name)
  if (texts === undefined) return undefined
  for (const [key, value] of Object.entries(texts)) asString(value, `${name}.${key}`)
  return texts as Record<string, string>
}

const optionalHeaders = (map: ControlMap): Readonly<Record<string, string | null>> | undefined => {
  const headers = optionalMap(map, 'headers')
  if (headers === undefined) return undefined
  for (const [key, value] of Object.entries(headers)) {
    if (value !== null) asString(value, `headers.${key}`)
  }
  return headers as Record<string, string | null>
}

const readBinding = (map: ControlMap): Binding => ({
  exchange: requireString(map, 'exchange'),
  targetKind: oneOf(requireString(map, 'targetKind'), 'targetKind', targetKinds) as TargetKind,
  target: requireString(map, 'target'),
  routingKey: optionalString(map, 'routingKey', ''),
  match: oneOf(optionalString(map, 'match', undefined), 'match', headerMatches),
  headers: optionalHeaders(map),
  typedHeaders: optionalTexts(map, 'typedHeaders'),
  labels: optionalTexts(map, 'labels'),
})

export const encodeBinding = (binding: Binding): Uint8Array => encodeControl(binding)

export const decodeBinding = (body: Uint8Array): Binding => readBinding(decodeControl(body))

export const encodeBindingList = (list: BindingList): Uint8Array => encodeControl(list)

export const decodeBindingList = (body: Uint8Array): BindingList => {
  const map = decodeControl(body)
  return {
    exchange: optionalString(map, 'exchange', undefined),
    target: optionalString(map, 'target', undefined),
    targetKind: oneOf(optionalString(map, 'targetKind', undefined), 'targetKind', targetKinds),
    skip: optionalInteger(map, 'skip', 0, Number.MAX_SAFE_INTEGER, 0),
  }
}

export const encodeBindingListed = (listed: BindingListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeBindingListed = (body: Uint8Array): BindingListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    bindings: requireList(map, 'bindings', (value, name) => readBinding(asMap(value, name))),
    more: optionalBoolean(map, 'more', false),
  }
}
