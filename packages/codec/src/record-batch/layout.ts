/**
 * The record batch, magic 2: the unit of storage and of transfer. All integers big endian.
 *
 * ```
 *   0        8        12       16 17       21         23               27
 *  +--------+--------+--------+--+--------+----------+----------------+
 *  | base   | batch  | leader |ma| CRC-32C| attri-   | last offset    |
 *  | offset | length | epoch  |gi| of all | butes    | delta          |
 *  | int64  | int32  | int32  |c | below  | int16    | int32          |
 *  +--------+--------+--------+--+--------+----------+----------------+
 *  27        35        43         51       53         57       61
 *  +---------+---------+----------+--------+----------+--------+-----------
 *  | base    | max     | producer | prod.  | base     | record | records
 *  | time-   | time-   | id       | epoch  | sequence | count  |   ...
 *  | stamp 8 | stamp 8 | int64    | int16  | int32    | int32  |
 *  +---------+---------+----------+--------+----------+--------+-----------
 * ```
 *
 * `batch length` counts what follows it. The checksum begins at byte 21, so the bytes before it can
 * be patched (base offset, leader epoch) without touching a body that others share.
 */
export const BATCH_BASE_OFFSET_AT = 0
export const BATCH_LENGTH_AT = 8
export const BATCH_LEADER_EPOCH_AT = 12
export const BATCH_MAGIC_AT = 16
export const BATCH_CRC_AT = 17
export const BATCH_ATTRIBUTES_AT = 21
export const BATCH_LAST_OFFSET_DELTA_AT = 23
export const BATCH_BASE_TIMESTAMP_AT = 27
export const BATCH_MAX_TIMESTAMP_AT = 35
export const BATCH_PRODUCER_ID_AT = 43
export const BATCH_PRODUCER_EPOCH_AT = 51
export const BATCH_BASE_SEQUENCE_AT = 53
export const BATCH_RECORD_COUNT_AT = 57

/** The whole header: the first record starts here. */
export const BATCH_HEADER_BYTES = 61
/** What the checksum does not cover, the checksum included: the part that is private to one log. */
export const BATCH_PREFIX_BYTES = 21
/** Base offset and length: `batch length` counts from here. */
export const BATCH_LENGTH_END = 12
/** The smallest `batch length`: a header and no record. */
export const BATCH_LENGTH_MIN = BATCH_HEADER_BYTES - BATCH_LENGTH_END

export const BATCH_MAGIC = 2

/**
 * The attribute bits. 7 to 15 are reserved: tolerated, passed on.
 *
 * ```
 *   15 ... 7   6         5         4               3           2 1 0
 *  +--------+---------+---------+---------------+-----------+-------+
 *  |reserved| delete  | control | transactional | timestamp | codec |
 *  |        | horizon |         |               | type      |       |
 *  +--------+---------+---------+---------------+-----------+-------+
 * ```
 */
export const CODEC_MASK = 0x07
export const TIMESTAMP_TYPE_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

export const compressionCodecs = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** Who set the records' timestamps: the producer, or the broker as it appended. */
export const timestampTypes = { create: 0, append: 1 } as const
export type TimestampType = (typeof timestampTypes)[keyof typeof timestampTypes]

/** "No producer", for producer id, producer epoch and base sequence alike. */
export const NO_PRODUCER = -1
/** "Not assigned yet": the broker patches it. */
export const NO_LEADER_EPOCH = -1

/** Seven one-byte fields: length, attributes, two deltas, key, value, header count. */
export const RECORD_BYTES_MIN = 7
/** A key length and a value length of one byte each. */
export const RECORD_HEADER_BYTES_MIN = 2

/**
 * The records that a compressed batch may claim: what it holds is not seen before it is inflated,
 * so the claim alone is bounded.
 */
export const COMPRESSED_RECORDS_MAX = 100_000
