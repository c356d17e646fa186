/**
 * Why and where a message was dead-lettered, as AMQP's clients expect to read it: the header `x-death`,
 * a list of tables with the newest first, and the three that name the first time.
 */
import { utf8Decode } from '@millrace/codec'
import type { DeadLetterEntry } from '@millrace/core'
import {
  type Field,
  type FieldTable,
  type FieldValue,
  findField,
  textField,
} from './codec/field-table.ts'

export const DEATH_HEADER = 'x-death'

const reasons: Readonly<Record<DeadLetterEntry['reason'], string>> = {
  rejected: 'rejected',
  expired: 'expired',
  maxlen: 'maxlen',
  'delivery-limit': 'delivery_limit',
}

export const deathHeaderNames: readonly string[] = [
  DEATH_HEADER,
  'x-first-death-reason',
  'x-first-death-queue',
  'x-first-death-exchange',
]

/**
 * `before` is what the message came with: who takes a dead message and publishes it again keeps its
 * history, and RabbitMQ goes on counting there.
 */
export const deathHeaders = (
  entries: readonly DeadLetterEntry[],
  before: FieldTable,
): readonly Field[] => {
  const old = oldDeaths(before)
  const copies = copiesOf(before)
  const fresh = entries.map((entry) => {
    const routingKeys = entry.routingKeys.filter((key, at) => at === 0 || copies.includes(key))
    return deathOf({ ...entry, routingKeys }, takeCount(old, entry))
  })
  const first = firstOf(entries)
  const names = first === undefined ? [] : firstDeath(first, before)
  return [{ name: DEATH_HEADER, value: { type: 'A', value: [...fresh, ...old] } }, ...names]
}

/** An entry keeps the time of its first death, and its place is that of its last. */
const firstOf = ([newest, ...older]: readonly DeadLetterEntry[]): DeadLetterEntry | undefined =>
  older.reduce((first, entry) => (first && first.timeMs < entry.timeMs ? first : entry), newest)

const firstDeath = (entry: DeadLetterEntry, before: FieldTable): readonly Field[] => {
  const ofEntry = [reasons[entry.reason], entry.queue, entry.exchange]
  return deathHeaderNames.slice(1).map((name, index) => ({
    name,
    value: findField(before, name) ?? textField(ofEntry[index] ?? ''),
  }))
}

const oldDeaths = (before: FieldTable): FieldValue[] => {
  const deaths = findField(before, DEATH_HEADER)
  return deaths?.type === 'A' ? [...deaths.value] : []
}

/** Takes the old entry of the same queue and reason out of the list, and answers its count. */
const takeCount = (old: FieldValue[], { queue, reason }: DeadLetterEntry): bigint => {
  const at = old.findIndex(
    (death) =>
      death.type === 'F' &&
      textOf(findField(death.value, 'queue')) === queue &&
      textOf(findField(death.value, 'reason')) === reasons[reason],
  )
  if (at < 0) return 0n
  const [death] = old.splice(at, 1)
  const count = death?.type === 'F' ? findField(death.value, 'count') : undefined
  return count?.type === 'l' ? count.value : 0n
}

const textOf = (value: FieldValue | undefined): string | undefined =>
  value?.type === 'S' ? utf8Decode(value.value) : undefined

/** Keys of copies that everybody may see: those of the blind ones are not among the headers. */
const copiesOf = (before: FieldTable): readonly (string | undefined)[] => {
  const copies = findField(before, 'CC')
  return copies?.type === 'A' ? copies.value.map(textOf) : []
}

export const deathOf = (entry: DeadLetterEntry, countBefore: bigint): FieldValue => {
  const { queue, reason, count, exchange, routingKeys, timeMs, originalTtlMs } = entry
  const fields: Field[] = [
    { name: 'count', value: { type: 'l', value: BigInt(count) + countBefore } },
    { name: 'reason', value: textField(reasons[reason]) },
    { name: 'queue', value: textField(queue) },
    { name: 'time', value: { type: 'T', value: BigInt(Math.floor(timeMs / 1_000)) } },
    { name: 'exchange', value: textField(exchange) },
    { name: 'routing-keys', value: { type: 'A', value: routingKeys.map(textField) } },
  ]
  if (originalTtlMs !== undefined) {
    fields.push({ name: 'original-expiration', value: textField(String(originalTtlMs)) })
  }
  return { type: 'F', value: fields }
}
