/** Every limit and default of the client, unit last in the name. A test stands at n and n+1. */

export const PORT_DEFAULT = 7420
export const TLS_PORT_DEFAULT = 7422
export const WS_PORT_DEFAULT = 7421
export const WSS_PORT_DEFAULT = 7423
export const WS_PATH_DEFAULT = '/ws'
/** Brokers that one client knows. */
export const ADDRESSES_COUNT_MAX = 64
export const HOST_DEFAULT = '127.0.0.1'
export const NAMESPACE_DEFAULT = '/'

export const CONNECT_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 30_000
export const CLOSE_TIMEOUT_MS = 5_000
export const TIMEOUT_MS_MAX = 3_600_000

/** Between attempts to connect again: the first wait is at most the least, none is longer than the most. */
export const RECONNECT_DELAY_MS_MIN = 100
export const RECONNECT_DELAY_MS_MAX = 15_000
/** A connection that lasted so long begins with the shortest waits again. */
export const RECONNECT_STABLE_MS = 5_000
/** A broker that goes away may ask for a wait; not for a longer one. */
export const GO_AWAY_MS_MAX = 60_000
/** Status changes that nobody has read yet; of more, the oldest are dropped. */
export const STATUS_QUEUE_COUNT_MAX = 100

/** Requests that wait behind the broker's `inFlightCountMax`. */
export const WAITING_REQUESTS_MAX = 10_000
/** With its head it fits one frame of the default size. */
export const BATCH_BYTES_DEFAULT = 255 * 1024
export const BATCH_BYTES_MIN = 256
export const BATCH_BYTES_MAX = 16 * 1024 * 1024
/** The broker refuses more; a batch that is full of tiny records is closed earlier. */
export const RECORDS_PER_BATCH_MAX = 65_536
export const LINGER_MS_MAX = 60_000
/** Four mebibytes of full batches: what one slow sync leaves unanswered. */
export const IN_FLIGHT_BATCHES_DEFAULT = 16
export const IN_FLIGHT_BATCHES_MAX = 1_000
export const BUFFERED_BYTES_DEFAULT = 32 * 1024 * 1024
export const BUFFERED_BYTES_MAX = 4 * 1024 * 1024 * 1024
/** `write()` throws when this many times `bufferedBytesMax` wait: somebody ignores its answer. */
export const BUFFERED_BYTES_FACTOR_MAX = 2
/** `write()` asks for a pause after this much in one turn, so that sending and filling overlap. */
export const TURN_BYTES_MAX = 1024 * 1024
/** Messages that wait for room or for the topic to be opened. */
export const PARKED_MESSAGES_MAX = 1_000_000
export const PARKED_BYTES_MAX: number = 256 * 1024 * 1024
export const DELIVERY_TIMEOUT_MS = 120_000
export const HEADERS_COUNT_MAX = 1_000

/** With its head a PUBLISH fits one frame of the default size. */
export const PUBLISH_BYTES_MAX = 255 * 1024
/** A batch begins with this, for most programs publish a message at a time. */
export const PUBLISH_BYTES_MIN = 1_024
export const MESSAGES_PER_PUBLISH_MAX = 5_000
export const PUBLISH_IN_FLIGHT_MAX = 32
/** Unsettled deliveries of a consumer of a queue. */
export const PREFETCH_DEFAULT = 100
export const PREFETCH_MAX = 65_536
export const WORK_CONCURRENCY_MAX = 10_000
export const WORK_DELAY_MS_MIN = 1_000
export const WORK_DELAY_MS_MAX = 60_000
/** Settlements of one turn that go into one SETTLE. */
export const SETTLE_RANGES_MAX = 5_000

export const CREDIT_BYTES_DEFAULT = 4 * 1024 * 1024
export const CREDIT_BYTES_MIN = 1_024
export const CREDIT_BYTES_MAX = 1024 * 1024 * 1024
export const DELIVER_BYTES_DEFAULT = 256 * 1024
export const DELIVER_BYTES_MAX = 16 * 1024 * 1024

export const FETCH_BYTES_DEFAULT = 1024 * 1024
export const FETCH_BYTES_MAX = 16 * 1024 * 1024
export const FETCH_WAIT_MS_MAX = 600_000

export const RETRY_INITIAL_MS = 50
export const RETRY_CEILING_MS = 2_000

/** Of a login by SCRAM: what is below is soon guessed, what is above stops the process. */
export const SCRAM_ITERATIONS_MIN = 4_096
export const SCRAM_ITERATIONS_MAX = 1_000_000
export const SCRAM_MESSAGE_BYTES_MAX = 4_096

/** A single compressed batch that inflates beyond this is not read, in bytes. */
export const INFLATED_BYTES_MAX: number = 64 * 1_048_576
