/**
 * Every method of AMQP 0-9-1 and of RabbitMQ's extensions, as data: one row a method. Numbers, names
 * and order of fields are the specification's; `methods.ts` turns the rows into readers and writers.
 *
 * `sender` says from whom the method may come. With `isSynchronous` its sender waits for an answer.
 * `hasContent`: a content header and a body follow it on its channel.
 */
export type FieldKind =
  'octet' | 'short' | 'long' | 'longlong' | 'bit' | 'shortstr' | 'longstr' | 'table'

export interface MethodDefinition {
  readonly classId: number
  readonly methodId: number
  readonly sender: 'client' | 'broker' | 'both'
  readonly isSynchronous?: boolean
  readonly hasContent?: boolean
  readonly fields: Readonly<Record<string, FieldKind>>
}

const connectionMethods = {
  'connection.start': {
    classId: 10,
    methodId: 10,
    sender: 'broker',
    isSynchronous: true,
    fields: {
      versionMajor: 'octet',
      versionMinor: 'octet',
      serverProperties: 'table',
      mechanisms: 'longstr',
      locales: 'longstr',
    },
  },
  'connection.start-ok': {
    classId: 10,
    methodId: 11,
    sender: 'client',
    fields: {
      clientProperties: 'table',
      mechanism: 'shortstr',
      response: 'longstr',
      locale: 'shortstr',
    },
  },
  'connection.secure': {
    classId: 10,
    methodId: 20,
    sender: 'broker',
    isSynchronous: true,
    fields: { challenge: 'longstr' },
  },
  'connection.secure-ok': {
    classId: 10,
    methodId: 21,
    sender: 'client',
    fields: { response: 'longstr' },
  },
  'connection.tune': {
    classId: 10,
    methodId: 30,
    sender: 'broker',
    isSynchronous: true,
    fields: { channelMax: 'short', frameMax: 'long', heartbeat: 'short' },
  },
  'connection.tune-ok': {
    classId: 10,
    methodId: 31,
    sender: 'client',
    fields: { channelMax: 'short', frameMax: 'long', heartbeat: 'short' },
  },
  'connection.open': {
    classId: 10,
    methodId: 40,
    sender: 'client',
    isSynchronous: true,
    fields: { virtualHost: 'shortstr', capabilities: 'shortstr', insist: 'bit' },
  },
  'connection.open-ok': {
    classId: 10,
    methodId: 41,
    sender: 'broker',
    fields: { knownHosts: 'shortstr' },
  },
  'connection.close': {
    classId: 10,
    methodId: 50,
    sender: 'both',
    isSynchronous: true,
    fields: { replyCode: 'short', replyText: 'shortstr', classId: 'short', methodId: 'short' },
  },
  'connection.close-ok': { classId: 10, methodId: 51, sender: 'both', fields: {} },
  'connection.blocked': {
    classId: 10,
    methodId: 60,
    sender: 'broker',
    fields: { reason: 'shortstr' },
  },
  'connection.unblocked': { classId: 10, methodId: 61, sender: 'broker', fields: {} },
  'connection.update-secret': {
    classId: 10,
    methodId: 70,
    sender: 'client',
    isSynchronous: true,
    fields: { newSecret: 'longstr', reason: 'shortstr' },
  },
  'connection.update-secret-ok': { classId: 10, methodId: 71, sender: 'broker', fields: {} },
} as const satisfies Record<string, MethodDefinition>

const channelMethods = {
  'channel.open': {
    classId: 20,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: { outOfBand: 'shortstr' },
  },
  'channel.open-ok': {
    classId: 20,
    methodId: 11,
    sender: 'broker',
    fields: { channelId: 'longstr' },
  },
  'channel.flow': {
    classId: 20,
    methodId: 20,
    sender: 'both',
    isSynchronous: true,
    fields: { active: 'bit' },
  },
  'channel.flow-ok': { classId: 20, methodId: 21, sender: 'both', fields: { active: 'bit' } },
  'channel.close': {
    classId: 20,
    methodId: 40,
    sender: 'both',
    isSynchronous: true,
    fields: { replyCode: 'short', replyText: 'shortstr', classId: 'short', methodId: 'short' },
  },
  'channel.close-ok': { classId: 20, methodId: 41, sender: 'both', fields: {} },
} as const satisfies Record<string, MethodDefinition>

const exchangeMethods = {
  // Tickets are of older versions; clients still ask for them.
  'access.request': {
    classId: 30,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: {
      realm: 'shortstr',
      exclusive: 'bit',
      passive: 'bit',
      active: 'bit',
      write: 'bit',
      read: 'bit',
    },
  },
  'access.request-ok': { classId: 30, methodId: 11, sender: 'broker', fields: { ticket: 'short' } },
  'exchange.declare': {
    classId: 40,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      exchange: 'shortstr',
      type: 'shortstr',
      passive: 'bit',
      durable: 'bit',
      autoDelete: 'bit',
      internal: 'bit',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'exchange.declare-ok': { classId: 40, methodId: 11, sender: 'broker', fields: {} },
  'exchange.delete': {
    classId: 40,
    methodId: 20,
    sender: 'client',
    isSynchronous: true,
    fields: { ticket: 'short', exchange: 'shortstr', ifUnused: 'bit', nowait: 'bit' },
  },
  'exchange.delete-ok': { classId: 40, methodId: 21, sender: 'broker', fields: {} },
  'exchange.bind': {
    classId: 40,
    methodId: 30,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      destination: 'shortstr',
      source: 'shortstr',
      routingKey: 'shortstr',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'exchange.bind-ok': { classId: 40, methodId: 31, sender: 'broker', fields: {} },
  'exchange.unbind': {
    classId: 40,
    methodId: 40,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      destination: 'shortstr',
      source: 'shortstr',
      routingKey: 'shortstr',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'exchange.unbind-ok': { classId: 40, methodId: 51, sender: 'broker', fields: {} },
} as const satisfies Record<string, MethodDefinition>

const queueMethods = {
  'queue.declare': {
    classId: 50,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      passive: 'bit',
      durable: 'bit',
      exclusive: 'bit',
      autoDelete: 'bit',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'queue.declare-ok': {
    classId: 50,
    methodId: 11,
    sender: 'broker',
    fields: { queue: 'shortstr', messageCount: 'long', consumerCount: 'long' },
  },
  'queue.bind': {
    classId: 50,
    methodId: 20,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'queue.bind-ok': { classId: 50, methodId: 21, sender: 'broker', fields: {} },
  'queue.purge': {
    classId: 50,
    methodId: 30,
    sender: 'client',
    isSynchronous: true,
    fields: { ticket: 'short', queue: 'shortstr', nowait: 'bit' },
  },
  'queue.purge-ok': {
    classId: 50,
    methodId: 31,
    sender: 'broker',
    fields: { messageCount: 'long' },
  },
  'queue.delete': {
    classId: 50,
    methodId: 40,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      ifUnused: 'bit',
      ifEmpty: 'bit',
      nowait: 'bit',
    },
  },
  'queue.delete-ok': {
    classId: 50,
    methodId: 41,
    sender: 'broker',
    fields: { messageCount: 'long' },
  },
  'queue.unbind': {
    classId: 50,
    methodId: 50,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      arguments: 'table',
    },
  },
  'queue.unbind-ok': { classId: 50, methodId: 51, sender: 'broker', fields: {} },
} as const satisfies Record<string, MethodDefinition>

const basicMethods = {
  'basic.qos': {
    classId: 60,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: { prefetchSize: 'long', prefetchCount: 'short', global: 'bit' },
  },
  'basic.qos-ok': { classId: 60, methodId: 11, sender: 'broker', fields: {} },
  'basic.consume': {
    classId: 60,
    methodId: 20,
    sender: 'client',
    isSynchronous: true,
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      consumerTag: 'shortstr',
      noLocal: 'bit',
      noAck: 'bit',
      exclusive: 'bit',
      nowait: 'bit',
      arguments: 'table',
    },
  },
  'basic.consume-ok': {
    classId: 60,
    methodId: 21,
    sender: 'broker',
    fields: { consumerTag: 'shortstr' },
  },
  'basic.cancel': {
    classId: 60,
    methodId: 30,
    sender: 'both',
    isSynchronous: true,
    fields: { consumerTag: 'shortstr', nowait: 'bit' },
  },
  'basic.cancel-ok': {
    classId: 60,
    methodId: 31,
    sender: 'both',
    fields: { consumerTag: 'shortstr' },
  },
  'basic.publish': {
    classId: 60,
    methodId: 40,
    sender: 'client',
    hasContent: true,
    fields: {
      ticket: 'short',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      mandatory: 'bit',
      immediate: 'bit',
    },
  },
  'basic.return': {
    classId: 60,
    methodId: 50,
    sender: 'broker',
    hasContent: true,
    fields: {
      replyCode: 'short',
      replyText: 'shortstr',
      exchange: 'shortstr',
      routingKey: 'shortstr',
    },
  },
  'basic.deliver': {
    classId: 60,
    methodId: 60,
    sender: 'broker',
    hasContent: true,
    fields: {
      consumerTag: 'shortstr',
      deliveryTag: 'longlong',
      redelivered: 'bit',
      exchange: 'shortstr',
      routingKey: 'shortstr',
    },
  },
  'basic.get': {
    classId: 60,
    methodId: 70,
    sender: 'client',
    isSynchronous: true,
    fields: { ticket: 'short', queue: 'shortstr', noAck: 'bit' },
  },
  'basic.get-ok': {
    classId: 60,
    methodId: 71,
    sender: 'broker',
    hasContent: true,
    fields: {
      deliveryTag: 'longlong',
      redelivered: 'bit',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      messageCount: 'long',
    },
  },
  'basic.get-empty': {
    classId: 60,
    methodId: 72,
    sender: 'broker',
    fields: { clusterId: 'shortstr' },
  },
  'basic.ack': {
    classId: 60,
    methodId: 80,
    sender: 'both',
    fields: { deliveryTag: 'longlong', multiple: 'bit' },
  },
  'basic.reject': {
    classId: 60,
    methodId: 90,
    sender: 'client',
    fields: { deliveryTag: 'longlong', requeue: 'bit' },
  },
  'basic.recover-async': {
    classId: 60,
    methodId: 100,
    sender: 'client',
    fields: { requeue: 'bit' },
  },
  'basic.recover': {
    classId: 60,
    methodId: 110,
    sender: 'client',
    isSynchronous: true,
    fields: { requeue: 'bit' },
  },
  'basic.recover-ok': { classId: 60, methodId: 111, sender: 'broker', fields: {} },
  'basic.nack': {
    classId: 60,
    methodId: 120,
    sender: 'both',
    fields: { deliveryTag: 'longlong', multiple: 'bit', requeue: 'bit' },
  },
} as const satisfies Record<string, MethodDefinition>

const modeMethods = {
  'confirm.select': {
    classId: 85,
    methodId: 10,
    sender: 'client',
    isSynchronous: true,
    fields: { nowait: 'bit' },
  },
  'confirm.select-ok': { classId: 85, methodId: 11, sender: 'broker', fields: {} },
  'tx.select': { classId: 90, methodId: 10, sender: 'client', isSynchronous: true, fields: {} },
  'tx.select-ok': { classId: 90, methodId: 11, sender: 'broker', fields: {} },
  'tx.commit': { classId: 90, methodId: 20, sender: 'client', isSynchronous: true, fields: {} },
  'tx.commit-ok': { classId: 90, methodId: 21, sender: 'broker', fields: {} },
  'tx.rollback': { classId: 90, methodId: 30, sender: 'client', isSynchronous: true, fields: {} },
  'tx.rollback-ok': { classId: 90, methodId: 31, sender: 'broker', fields: {} },
} as const satisfies Record<string, MethodDefinition>

export const methodTable = {
  ...connectionMethods,
  ...channelMethods,
  ...exchangeMethods,
  ...queueMethods,
  ...basicMethods,
  ...modeMethods,
} as const

export type MethodName = keyof typeof methodTable
