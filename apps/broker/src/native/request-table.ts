/**
 * What a peer may send: one handler per request opcode, exhaustive by type, and the states in which
 * it is allowed. Everything else is answered here.
 */
import { BrokerError } from '@millrace/codec'
import { type Frame, isOpcode, isRequest, isResponse, Opcode, opcodeName } from '@millrace/protocol'
import { handleBackup, handleStorageCheck } from './handlers/care.ts'
import { handleAuthenticate, handleConnect } from './handlers/connect.ts'
import { handleFetch } from './handlers/fetch.ts'
import { handleClose, handlePing, handlePong } from './handlers/link.ts'
import * as exchanges from './handlers/exchanges.ts'
import * as identity from './handlers/identity.ts'
import { handleListOffsets } from './handlers/list-offsets.ts'
import * as messages from './handlers/messages.ts'
import { handleProduce } from './handlers/produce.ts'
import { handleInitProducer } from './handlers/producers.ts'
import * as queues from './handlers/queues.ts'
import { handleRecordsDelete, handleTruncate } from './handlers/removal.ts'
import { handleCredit, handleSubscribe, handleUnsubscribe } from './handlers/subscribe.ts'
import * as topics from './handlers/topics.ts'
import type { NativeSession } from './native-session.ts'
import type { SessionState } from './session-state.ts'
import { isSilent } from './silent-request.ts'

export interface RequestHandler {
  readonly states: readonly SessionState[]
  /** It counts as in flight until it is answered; what concerns the connection alone does not. */
  readonly isCounted: boolean
  readonly run: (session: NativeSession, frame: Frame) => void
}

type RequestOpcode =
  | typeof Opcode.CONNECT
  | typeof Opcode.AUTHENTICATE
  | typeof Opcode.PING
  | typeof Opcode.PONG
  | typeof Opcode.CLOSE
  | typeof Opcode.TOPIC_CREATE
  | typeof Opcode.TOPIC_LIST
  | typeof Opcode.TOPIC_DESCRIBE
  | typeof Opcode.TOPIC_ALTER
  | typeof Opcode.TOPIC_DELETE
  | typeof Opcode.TOPIC_OPEN
  | typeof Opcode.TOPIC_TRUNCATE
  | typeof Opcode.PRODUCE
  | typeof Opcode.FETCH
  | typeof Opcode.LIST_OFFSETS
  | typeof Opcode.INIT_PRODUCER
  | typeof Opcode.RECORDS_DELETE
  | typeof Opcode.SUBSCRIBE
  | typeof Opcode.UNSUBSCRIBE
  | typeof Opcode.CREDIT
  | typeof Opcode.USER_PUT
  | typeof Opcode.USER_DELETE
  | typeof Opcode.USER_LIST
  | typeof Opcode.PERMISSION_GRANT
  | typeof Opcode.PERMISSION_REVOKE
  | typeof Opcode.PERMISSION_LIST
  | typeof Opcode.ACCESS_EXPLAIN
  | typeof Opcode.STORAGE_CHECK
  | typeof Opcode.BACKUP
  | typeof Opcode.EXCHANGE_DECLARE
  | typeof Opcode.EXCHANGE_DESCRIBE
  | typeof Opcode.EXCHANGE_LIST
  | typeof Opcode.EXCHANGE_DELETE
  | typeof Opcode.BIND
  | typeof Opcode.UNBIND
  | typeof Opcode.BINDING_LIST
  | typeof Opcode.QUEUE_DECLARE
  | typeof Opcode.QUEUE_DESCRIBE
  | typeof Opcode.QUEUE_LIST
  | typeof Opcode.QUEUE_ALTER
  | typeof Opcode.QUEUE_DELETE
  | typeof Opcode.QUEUE_PURGE
  | typeof Opcode.QUEUE_PEEK
  | typeof Opcode.QUEUE_MOVE
  | typeof Opcode.QUEUE_REPLAY
  | typeof Opcode.PUBLISH
  | typeof Opcode.COMMIT
  | typeof Opcode.CONSUME
  | typeof Opcode.CONSUMER_ALTER
  | typeof Opcode.CONSUMER_CANCEL
  | typeof Opcode.GET
  | typeof Opcode.SETTLE

const request = (run: RequestHandler['run']): RequestHandler => ({
  states: ['open'],
  isCounted: true,
  run,
})

const link = (states: readonly SessionState[], run: RequestHandler['run']): RequestHandler => ({
  states,
  isCounted: false,
  run,
})

const KNOWN: readonly SessionState[] = ['authenticating', 'open', 'draining']

const handlers: { readonly [Op in RequestOpcode]: RequestHandler } = {
  [Opcode.CONNECT]: link(['handshake'], handleConnect),
  [Opcode.AUTHENTICATE]: link(KNOWN, handleAuthenticate),
  [Opcode.PING]: link(KNOWN, handlePing),
  [Opcode.PONG]: link(KNOWN, handlePong),
  [Opcode.CLOSE]: link(KNOWN, handleClose),
  [Opcode.TOPIC_CREATE]: request(topics.handleCreate),
  [Opcode.TOPIC_LIST]: request(topics.handleList),
  [Opcode.TOPIC_DESCRIBE]: request(topics.handleDescribe),
  [Opcode.TOPIC_ALTER]: request(topics.handleAlter),
  [Opcode.TOPIC_DELETE]: request(topics.handleDelete),
  [Opcode.TOPIC_OPEN]: request(topics.handleOpen),
  [Opcode.TOPIC_TRUNCATE]: request(handleTruncate),
  [Opcode.PRODUCE]: request(handleProduce),
  [Opcode.FETCH]: request(handleFetch),
  [Opcode.LIST_OFFSETS]: request(handleListOffsets),
  [Opcode.INIT_PRODUCER]: request(handleInitProducer),
  [Opcode.RECORDS_DELETE]: request(handleRecordsDelete),
  [Opcode.SUBSCRIBE]: request(handleSubscribe),
  [Opcode.UNSUBSCRIBE]: request(handleUnsubscribe),
  [Opcode.CREDIT]: link(['open', 'draining'], handleCredit),
  [Opcode.USER_PUT]: request(identity.handleUserPut),
  [Opcode.USER_DELETE]: request(identity.handleUserDelete),
  [Opcode.USER_LIST]: request(identity.handleUserList),
  [Opcode.PERMISSION_GRANT]: request(identity.handlePermissionGrant),
  [Opcode.PERMISSION_REVOKE]: request(identity.handlePermissionRevoke),
  [Opcode.PERMISSION_LIST]: request(identity.handlePermissionList),
  [Opcode.ACCESS_EXPLAIN]: request(identity.handleAccessExplain),
  [Opcode.STORAGE_CHECK]: request(handleStorageCheck),
  [Opcode.BACKUP]: request(handleBackup),
  [Opcode.EXCHANGE_DECLARE]: request(exchanges.handleExchangeDeclare),
  [Opcode.EXCHANGE_DESCRIBE]: request(exchanges.handleExchangeDescribe),
  [Opcode.EXCHANGE_LIST]: request(exchanges.handleExchangeList),
  [Opcode.EXCHANGE_DELETE]: request(exchanges.handleExchangeDelete),
  [Opcode.BIND]: request(exchanges.handleBind),
  [Opcode.UNBIND]: request(exchanges.handleUnbind),
  [Opcode.BINDING_LIST]: request(exchanges.handleBindingList),
  [Opcode.QUEUE_DECLARE]: request(queues.handleQueueDeclare),
  [Opcode.QUEUE_DESCRIBE]: request(queues.handleQueueDescribe),
  [Opcode.QUEUE_LIST]: request(queues.handleQueueList),
  [Opcode.QUEUE_ALTER]: request(queues.handleQueueAlter),
  [Opcode.QUEUE_DELETE]: request(queues.handleQueueDelete),
  [Opcode.QUEUE_PURGE]: request(queues.handleQueuePurge),
  [Opcode.QUEUE_PEEK]: request(messages.handleQueuePeek),
  [Opcode.QUEUE_MOVE]: request(queues.handleQueueMove),
  [Opcode.QUEUE_REPLAY]: request(queues.handleQueueReplay),
  [Opcode.PUBLISH]: request(messages.handlePublish),
  [Opcode.COMMIT]: request(messages.handleCommit),
  [Opcode.CONSUME]: request(messages.handleConsume),
  [Opcode.CONSUMER_ALTER]: request(messages.handleConsumerAlter),
  [Opcode.CONSUMER_CANCEL]: request(messages.handleConsumerCancel),
  [Opcode.GET]: request(messages.handleGet),
  [Opcode.SETTLE]: request(messages.handleSettle),
}

const byOpcode: readonly (RequestHandler | undefined)[] = Array.from(
  { length: 256 },
  (_, opcode) => (handlers as Readonly<Record<number, RequestHandler>>)[opcode],
)

export const findHandler = (opcode: number): RequestHandler | undefined => byOpcode[opcode]

/** Throws the error that the frame deserves in this state of the session. */
export const checkRequest = (
  handler: RequestHandler | undefined,
  frame: Frame,
  session: NativeSession,
): void => {
  const isUncounted = isSilent(frame)
  if (frame.correlation === 0 && isRequest(frame.opcode) && !isUncounted) {
    const text = `${opcodeName(frame.opcode)} needs a correlation other than 0`
    throw new BrokerError('ERR_MALFORMED_FRAME', [text])
  }
  if (handler === undefined || !handler.states.includes(session.state)) {
    throw refusal(handler, frame.opcode, session.state)
  }
  if (!handler.isCounted || isUncounted) return
  if (session.inFlightCount >= session.services.limits.inFlightCountMax) {
    throw new BrokerError('ERR_BUSY')
  }
}

const refusal = (
  handler: RequestHandler | undefined,
  opcode: number,
  state: SessionState,
): BrokerError => {
  const name = opcodeName(opcode)
  if (state === 'handshake') {
    return new BrokerError('ERR_UNEXPECTED_FRAME', [name, 'before CONNECT'])
  }
  if (opcode === Opcode.CONNECT) {
    return new BrokerError('ERR_UNEXPECTED_FRAME', [name, 'twice on a connection'])
  }
  if (state === 'authenticating') return new BrokerError('ERR_NOT_AUTHENTICATED')
  if (handler !== undefined) return new BrokerError('ERR_GOING_AWAY')
  if (isOpcode(opcode) || isResponse(opcode))
    return new BrokerError('ERR_UNEXPECTED_FRAME', [name, 'from a client'])
  return new BrokerError('ERR_UNKNOWN_OPCODE', [opcode])
}
