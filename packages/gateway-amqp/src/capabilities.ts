/** What broker and client tell each other that they can. */
import {
  booleanField,
  type Field,
  type FieldTable,
  findField,
  textField,
} from './codec/field-table.ts'
import type { AmqpSettings } from './amqp-settings.ts'

/** What a client must have said before it is sent such things. */
export interface Capabilities {
  readonly authenticationFailureClose: boolean
  readonly connectionBlocked: boolean
  readonly consumerCancelNotify: boolean
}

export const noCapabilities: Capabilities = {
  authenticationFailureClose: false,
  connectionBlocked: false,
  consumerCancelNotify: false,
}

export const capabilitiesOf = (clientProperties: FieldTable): Capabilities => {
  const field = findField(clientProperties, 'capabilities')
  const table = field?.type === 'F' ? field.value : []
  const has = (name: string): boolean => {
    const value = findField(table, name)
    return value?.type === 't' && value.value
  }
  return {
    authenticationFailureClose: has('authentication_failure_close'),
    connectionBlocked: has('connection.blocked'),
    consumerCancelNotify: has('consumer_cancel_notify'),
  }
}

const ours = [
  'publisher_confirms',
  'exchange_exchange_bindings',
  'basic.nack',
  'consumer_cancel_notify',
  'connection.blocked',
  'consumer_priorities',
  'authentication_failure_close',
  'per_consumer_qos',
  'direct_reply_to',
] as const

/** Clients choose what they do by product and version: see the settings. */
export const serverProperties = ({ product, version }: AmqpSettings): FieldTable => {
  const capabilities: readonly Field[] = ours.map((name) => ({ name, value: booleanField(true) }))
  return [
    { name: 'capabilities', value: { type: 'F', value: capabilities } },
    { name: 'cluster_name', value: textField('millrace') },
    { name: 'information', value: textField('Millrace, speaking AMQP 0-9-1 as RabbitMQ does') },
    { name: 'platform', value: textField('Node.js') },
    { name: 'product', value: textField(product) },
    { name: 'version', value: textField(version) },
  ]
}
