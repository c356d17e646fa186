/**
 * The header by which a message asks a delayed exchange for time, and what becomes of it: when it has
 * been waited for it has the other sign, and all else of the block stays as it lies.
 */
import { isUtf8, utf8Decode } from '@millrace/codec'
import { type FieldValue, findField, type NumberType, textField } from './codec/field-table.ts'
import { changeBlock, headersOf } from './codec/property-block.ts'
import { PropertyScan } from './codec/property-scan.ts'

export const DELAY_HEADER = 'x-delay'

/** The signed type that holds what an unsigned one does. */
const signedTypes: Partial<Readonly<Record<NumberType, NumberType>>> = { B: 's', u: 'I' }
const LONG_MAX = 2n ** 63n - 1n

/** The block with its delay negated; the same block when it asks for none. Throws ERR_MALFORMED_BODY. */
export const negateDelay = (block: Uint8Array): Uint8Array => {
  const scan = new PropertyScan()
  scan.scan(block)
  const field = findField(headersOf(scan), DELAY_HEADER)
  const value = field === undefined ? undefined : negated(field)
  if (value === undefined) return block
  return changeBlock(scan, { replaceHeaders: new Map([[DELAY_HEADER, value]]) })
}

const negated = (field: FieldValue): FieldValue | undefined => {
  switch (field.type) {
    case 'S':
      return isUtf8(field.value) ? textField(negatedText(utf8Decode(field.value))) : undefined
    case 'D':
      return { ...field, value: -field.value }
    case 'i':
    case 'l':
    case 'L':
      return { type: 'l', value: negatedLong(BigInt(field.value)) }
    case 't':
    case 'T':
    case 'x':
    case 'A':
    case 'F':
    case 'V':
      return undefined
    default:
      return { type: signedTypes[field.type] ?? field.type, value: -field.value }
  }
}

const negatedLong = (value: bigint): bigint => (value > LONG_MAX ? -LONG_MAX : -value)

const negatedText = (text: string): string =>
  text.startsWith('-') ? text.slice(1) : `-${text.replace(/^\+/, '')}`
