/**
 * The methods and properties of AMQP 0-9-1, with RabbitMQ's additions, as facts: numbers, names and
 * types in the order of the wire. Written for the tests alone, so that a mistake of the product's own
 * codec cannot hide in it.
 */

/** o octet, s short, l long, L long long, b bit, S short string, X long string, T table, t timestamp. */
export type FieldType = 'o' | 's' | 'l' | 'L' | 'b' | 'S' | 'X' | 'T' | 't'

export interface MethodSpec {
  readonly name: string
  readonly classId: number
  readonly methodId: number
  readonly fields: readonly (readonly [name: string, type: FieldType])[]
  readonly hasContent: boolean
}

/** A class: its number, its name, and its methods as `number name field:type …`. */
const classes: readonly (readonly [number, string, readonly string[]])[] = [
  [
    10,
    'connection',
    [
      '10 start versionMajor:o versionMinor:o serverProperties:T mechanisms:X locales:X',
      '11 start-ok clientProperties:T mechanism:S response:X locale:S',
      '20 secure challenge:X',
      '21 secure-ok response:X',
      '30 tune channelMax:s frameMax:l heartbeat:s',
      '31 tune-ok channelMax:s frameMax:l heartbeat:s',
      '40 open virtualHost:S capabilities:S insist:b',
      '41 open-ok knownHosts:S',
      '50 close replyCode:s replyText:S classId:s methodId:s',
      '51 close-ok',
      '60 blocked reason:S',
      '61 unblocked',
      '70 update-secret newSecret:X reason:S',
      '71 update-secret-ok',
    ],
  ],
  [
    20,
    'channel',
    [
      '10 open outOfBand:S',
      '11 open-ok channelId:X',
      '20 flow active:b',
      '21 flow-ok active:b',
      '40 close replyCode:s replyText:S classId:s methodId:s',
      '41 close-ok',
    ],
  ],
  [
    40,
    'exchange',
    [
      '10 declare ticket:s exchange:S type:S passive:b durable:b autoDelete:b internal:b nowait:b arguments:T',
      '11 declare-ok',
      '20 delete ticket:s exchange:S ifUnused:b nowait:b',
      '21 delete-ok',
      '30 bind ticket:s destination:S source:S routingKey:S nowait:b arguments:T',
      '31 bind-ok',
      '40 unbind ticket:s destination:S source:S routingKey:S nowait:b arguments:T',
      '51 unbind-ok',
    ],
  ],
  [
    50,
    'queue',
    [
      '10 declare ticket:s queue:S passive:b durable:b exclusive:b autoDelete:b nowait:b arguments:T',
      '11 declare-ok queue:S messageCount:l consumerCount:l',
      '20 bind ticket:s queue:S exchange:S routingKey:S nowait:b arguments:T',
      '21 bind-ok',
      '30 purge ticket:s queue:S nowait:b',
      '31 purge-ok messageCount:l',
      '40 delete ticket:s queue:S ifUnused:b ifEmpty:b nowait:b',
      '41 delete-ok messageCount:l',
      '50 unbind ticket:s queue:S exchange:S routingKey:S arguments:T',
      '51 unbind-ok',
    ],
  ],
  [
    60,
    'basic',
    [
      '10 qos prefetchSize:l prefetchCount:s global:b',
      '11 qos-ok',
      '20 consume ticket:s queue:S consumerTag:S noLocal:b noAck:b exclusive:b nowait:b arguments:T',
      '21 consume-ok consumerTag:S',
      '30 cancel consumerTag:S nowait:b',
      '31 cancel-ok consumerTag:S',
      '40 publish ticket:s exchange:S routingKey:S mandatory:b immediate:b',
      '50 return replyCode:s replyText:S exchange:S routingKey:S',
      '60 deliver consumerTag:S deliveryTag:L redelivered:b exchange:S routingKey:S',
      '70 get ticket:s queue:S noAck:b',
      '71 get-ok deliveryTag:L redelivered:b exchange:S routingKey:S messageCount:l',
      '72 get-empty clusterId:S',
      '80 ack deliveryTag:L multiple:b',
      '90 reject deliveryTag:L requeue:b',
      '100 recover-async requeue:b',
      '110 recover requeue:b',
      '111 recover-ok',
      '120 nack deliveryTag:L multiple:b requeue:b',
    ],
  ],
  [85, 'confirm', ['10 select nowait:b', '11 select-ok']],
  [
    90,
    'tx',
    ['10 select', '11 select-ok', '20 commit', '21 commit-ok', '30 rollback', '31 rollback-ok'],
  ],
]

const withContent = ['basic.publish', 'basic.return', 'basic.deliver', 'basic.get-ok']

const parse = (classId: number, className: string, line: string): MethodSpec => {
  const [methodId, shortName, ...fields] = line.split(' ')
  const name = `${className}.${shortName}`
  return {
    name,
    classId,
    methodId: Number(methodId),
    fields: fields.map((field) => field.split(':') as [string, FieldType]),
    hasContent: withContent.includes(name),
  }
}

export const methods: readonly MethodSpec[] = classes.flatMap(([classId, className, lines]) =>
  lines.map((line) => parse(classId, className, line)),
)

const byName = new Map(methods.map((method) => [method.name, method]))
const byNumber = new Map(methods.map((method) => [numberOf(method), method]))

function numberOf({ classId, methodId }: { classId: number; methodId: number }): number {
  return classId * 65_536 + methodId
}

export const methodNamed = (name: string): MethodSpec => {
  const method = byName.get(name)
  if (method === undefined) throw new Error(`there is no method ${name}`)
  return method
}

export const methodNumbered = (classId: number, methodId: number): MethodSpec | undefined =>
  byNumber.get(numberOf({ classId, methodId }))

/** In the order of their flags, highest bit first. */
export const propertyFields: readonly (readonly [name: string, type: FieldType])[] = [
  ['contentType', 'S'],
  ['contentEncoding', 'S'],
  ['headers', 'T'],
  ['deliveryMode', 'o'],
  ['priority', 'o'],
  ['correlationId', 'S'],
  ['replyTo', 'S'],
  ['expiration', 'S'],
  ['messageId', 'S'],
  ['timestamp', 't'],
  ['type', 'S'],
  ['userId', 'S'],
  ['appId', 'S'],
  ['clusterId', 'S'],
]
