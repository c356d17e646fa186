/** Options that come from a program: checked once, named in the error. */
import { invalidArgument } from './errors.ts'

export const checkInteger = (name: string, value: number, low: number, high: number): number => {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value
  throw invalidArgument(name, `${String(value)} is not a whole number from ${low} to ${high}`)
}

export const checkOffset = (name: string, value: number): number =>
  checkInteger(name, value, 0, Number.MAX_SAFE_INTEGER)

/** The broker has the last word on names; an empty one or another type is a slip of the program. */
export const checkTopic = (topic: unknown): string => {
  if (typeof topic === 'string' && topic.length > 0) return topic
  throw invalidArgument('topic', 'it must be a text that is not empty')
}

/** Not `instanceof`: a date may come from another realm. */
export const isDate = (value: unknown): value is Date =>
  typeof value === 'object' && value !== null && 'getTime' in value
