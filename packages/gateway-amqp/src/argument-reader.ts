/**
 * Arguments of declarations, read by name with the checks and the words that RabbitMQ has for what is
 * wrong with them. What was read is known; what nobody read is left for the labels.
 */
import { isUtf8, utf8Decode } from '@millrace/codec'
import { type FieldTable, type FieldValue, findField } from './codec/field-table.ts'
import { type AmqpFault, preconditionFailed } from './errors.ts'
import { canonicalText } from './field-text.ts'
import { fieldTypeName } from './field-type-name.ts'

const integerTypes: ReadonlySet<FieldValue['type']> = new Set([
  'b',
  'B',
  's',
  'u',
  'I',
  'i',
  'l',
  'L',
])

export interface IntegerLimits {
  readonly min?: number
  readonly max?: number
  /** What RabbitMQ calls a value above the maximum. */
  readonly aboveMax?: string
}

export class ArgumentReader {
  readonly #table: FieldTable
  /** As in `queue 'orders' in vhost '/'`. */
  readonly #subject: string
  readonly #read = new Set<string>()

  constructor(table: FieldTable, subject: string) {
    this.#table = table
    this.#subject = subject
  }

  has(name: string): boolean {
    return findField(this.#table, name) !== undefined
  }

  integer(name: string, { min, max, aboveMax }: IntegerLimits = {}): number | undefined {
    const field = this.#take(name)
    if (field === undefined) return undefined
    if (!integerTypes.has(field.type) || !('value' in field)) {
      throw this.invalid(name, `"expected integer, got ${fieldTypeName(field.type)}"`)
    }
    const value = Number(field.value)
    if (min !== undefined && value < min) {
      throw this.invalid(name, value < 0 ? `{value_negative,${value}}` : `{value_zero,${value}}`)
    }
    if (max !== undefined && value > max) {
      throw this.invalid(name, `{${aboveMax ?? 'value_too_large'},${BigInt(value)}}`)
    }
    return value
  }

  text(name: string): string | undefined {
    const field = this.#take(name)
    if (field === undefined) return undefined
    return textIn(field) ?? this.#refuseType(name, field)
  }

  /** A text that names an exchange: RabbitMQ has other words for one that is none. */
  exchangeName(name: string): string | undefined {
    const field = this.#take(name)
    if (field === undefined) return undefined
    const text = textIn(field)
    if (text !== undefined) return text
    const type = fieldTypeName(field.type)
    throw preconditionFailed(`invalid type '${type}' for arg '${name}' in ${this.#subject}`)
  }

  choice<Choice extends string>(
    name: string,
    choices: readonly Choice[],
    otherwise: (text: string) => string,
  ): Choice | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const choice = choices.find((one) => one === text)
    if (choice === undefined) throw this.invalid(name, otherwise(text))
    return choice
  }

  boolean(name: string): boolean | undefined {
    const field = this.#take(name)
    if (field === undefined) return undefined
    return field.type === 't' ? field.value : this.#refuseType(name, field)
  }

  /** What nobody read, with types, to be kept and compared. */
  labels(): Record<string, string> {
    const rest = this.#table.filter(({ name }) => !this.#read.has(name))
    return Object.fromEntries(rest.map(({ name, value }) => [name, canonicalText(value)]))
  }

  invalid(name: string, why: string): AmqpFault {
    return preconditionFailed(`invalid arg '${name}' for ${this.#subject}: ${why}`)
  }

  #take(name: string): FieldValue | undefined {
    this.#read.add(name)
    return findField(this.#table, name)
  }

  #refuseType(name: string, field: FieldValue): never {
    throw this.invalid(name, `{unacceptable_type,${fieldTypeName(field.type)}}`)
  }
}

const textIn = (field: FieldValue): string | undefined =>
  field.type === 'S' && isUtf8(field.value) ? utf8Decode(field.value) : undefined
