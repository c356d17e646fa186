/**
 * Every limit of the protocol, unit last in the name. docs/protocol.md repeats these numbers and a
 * test compares the two. A frame's bytes count all of it, the length field included.
 */
import { BrokerError } from '@millrace/codec'

/** Before CONNECTED, when nobody has shown who they are. Also the lowest value to negotiate. */
export const HANDSHAKE_FRAME_BYTES_MAX = 8 * 1024
export const FRAME_BYTES_DEFAULT = 256 * 1024
export const FRAME_BYTES_MAX = 1024 * 1024

export const BATCH_BYTES_MAX = 16 * 1024 * 1024
/** Room for the head in front of one batch. */
export const BODY_HEAD_BYTES_MAX = 4 * 1024
export const BODY_BYTES_MAX: number = BATCH_BYTES_MAX + BODY_HEAD_BYTES_MAX

/** Bodies that may be unfinished at once, per connection and direction. */
export const ASSEMBLIES_COUNT_MAX = 16
/** All unfinished bodies together may hold this many times the limit of one body. */
export const ASSEMBLIES_BODIES_MAX = 2

export const CONTROL_BODY_BYTES_MAX = 64 * 1024
/**
 * The answers that list things (topics, partitions, offsets) may be longer than what a client may
 * send, or a topic of a thousand partitions could not be described.
 */
export const CONTROL_LIST_BYTES_MAX = 1024 * 1024
/** Topics in one TOPIC_LISTED: with names of 255 bytes they stay far below its limit. */
export const TOPIC_LIST_COUNT_MAX = 1000
/** Users in one USER_LISTED: with sixteen names of certificates each they stay below its limit. */
export const USER_LIST_COUNT_MAX = 200
/** Permissions in one PERMISSION_LISTED: with names of 255 bytes they stay below its limit. */
export const PERMISSION_LIST_COUNT_MAX = 500
/**
 * Exchanges in one EXCHANGE_LISTED, queues in one QUEUE_LISTED: with four names of 255 bytes each they
 * stay far below its limit, whose rest is for labels.
 */
export const EXCHANGE_LIST_COUNT_MAX = 200
export const QUEUE_LIST_COUNT_MAX = 200
export const BINDING_LIST_COUNT_MAX = 500
export const CONTROL_DEPTH_MAX = 8

/** Messages in one PUBLISH or COMMIT: its answer stays one small frame. */
export const PUBLISH_COUNT_MAX = 10_000
/** Ranges in one SETTLE, settlements in one COMMIT. */
export const SETTLE_COUNT_MAX = 10_000
export const PEEK_COUNT_MAX = 1_000
/** What a delivery tells of a message's dead-lettering; with its head it fits `BODY_HEAD_BYTES_MAX`. */
export const DEAD_LETTERS_BYTES_MAX = 3_072

export const PING_BODY_BYTES_MAX = 64
export const ERROR_MESSAGE_CHARACTERS_MAX = 1024

export const HEARTBEAT_MS_DEFAULT = 15_000
/** Shorter ones would cut off a peer whose process stood still for a moment. */
export const HEARTBEAT_MS_MIN = 1_000
export const HEARTBEAT_MS_MAX = 3_600_000
/** A peer that sent nothing for this many heartbeats is taken for dead. */
export const HEARTBEAT_SILENCE_FACTOR = 2

export const CHANNEL_MAX = 0xffff
export const UINT16_MAX = 0xffff
export const INT32_MAX = 0x7fff_ffff
export const UINT32_MAX = 0xffff_ffff
/** The largest epoch of a producer. */
export const INT16_MAX = 0x7fff

/**
 * The frame limit both sides keep after the handshake: the smaller of what the client asked for and
 * what the broker allows, never outside what the protocol allows.
 */
export const negotiateFrameBytes = (asked: number, allowed: number): number =>
  Math.max(HANDSHAKE_FRAME_BYTES_MAX, Math.min(asked, allowed, FRAME_BYTES_MAX))

/** The smaller of the two wishes, where 0 means "none" and wins only when the client says so. */
export const negotiateHeartbeat = (asked: number, allowed: number): number => {
  if (asked === 0 || allowed === 0) return 0
  return Math.max(HEARTBEAT_MS_MIN, Math.min(asked, allowed, HEARTBEAT_MS_MAX))
}

/** Throws ERR_BODY_TOO_LARGE when a body is beyond the limit. */
export const checkBodyBytes = (bodyBytes: number, bodyBytesMax: number): void => {
  if (bodyBytes > bodyBytesMax) {
    throw new BrokerError('ERR_BODY_TOO_LARGE', [bodyBytes, bodyBytesMax])
  }
}
