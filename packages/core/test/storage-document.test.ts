/** docs/storage.md says what the code does: numbers and names are held equal. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SIDECAR_BLOCK_BYTES } from '../src/care/limits.ts'
import { SIDECAR_HEADER_BYTES } from '../src/care/sidecar.ts'
import { DATA_FORMAT_VERSION } from '../src/log/format.ts'
import {
  ENTRY_BYTES,
  EntryKind,
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  HEADER_COPY_AT,
} from '../src/log/journal-format.ts'
import {
  GROUP_ALIGNMENT_BYTES,
  JOURNAL_IDLE_MS,
  FULL_DISK_RETRY_MS,
  OFFSET_CEILING_STEP,
  OFFSET_SKIP_AFTER_LOSS,
  defaultStorageOptions,
} from '../src/log/limits.ts'
import { NAME_BYTES_MAX } from '../src/names.ts'
import {
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  CONSUMERS_PER_QUEUE_MAX,
  DEAD_LETTER_ENTRIES_MAX,
  DEDUP_BYTES_MAX,
  DEDUP_IDS_MAX,
  EXPIRY_GRACE_MS,
  HELD_MESSAGES_MAX,
  KEPT_BATCH_BYTES_MAX,
  LEDGER_FLUSH_MS,
  LEDGER_GATHER_MS,
  RIDING_LEDGERS_MAX,
  LEDGER_SEGMENT_BYTES,
  LONE_MESSAGE_BYTES_MIN,
  MEMORY_BYTES_MIN,
  MESSAGE_BYTES_MAX,
  PRIORITY_MAX,
  QUEUES_PER_NAMESPACE_MAX,
  RELEASE_BYTES_MAX,
  RELEASE_COUNT_MAX,
  TRANSACTION_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from '../src/queue/limits.ts'
import { DELAY_MS_MAX } from '../src/routing/limits.ts'
import { PARTITIONS_MAX } from '../src/topic/topic-settings.ts'

const english = (count: number): string => count.toLocaleString('en')
const mebibytes = (bytes: number): string => `${bytes / 1_048_576} MiB`

const text = readFileSync(join(__dirname, '../../../docs/storage.md'), 'utf8').replace(/ +/g, ' ')

it('names the format of the code', () => {
  expect(text).toContain(`# Storage, format ${DATA_FORMAT_VERSION}`)
})

it('lists every kind of journal entry under its number', () => {
  const rows = [...text.matchAll(/^\| (\d+) (\w+) \|/gm)].map((row) => [row[2], Number(row[1])])
  expect(Object.fromEntries(rows)).toEqual(EntryKind)
})

it.each([
  ['the copy of a header', `zeros … ${HEADER_COPY_AT}`],
  ['the first group', `The first group stands at ${FILE_DATA_AT}`],
  ['the alignment', `at a multiple of ${GROUP_ALIGNMENT_BYTES}`],
  ['an entry', `An entry has ${ENTRY_BYTES} bytes`],
  ['the idle time', `after ${JOURNAL_IDLE_MS} ms`],
  ['the retry', `Every ${FULL_DISK_RETRY_MS} ms`],
  ['the skip', `skips ${OFFSET_SKIP_AFTER_LOSS.toLocaleString('en')}`],
  ['the ceiling', `raised by ${OFFSET_CEILING_STEP.toLocaleString('en')}`],
  ['a sidecar', `${SIDECAR_BLOCK_BYTES.toLocaleString('en')} bytes (\`block bytes\`)`],
  ['the header of a sidecar', `32 40 ${SIDECAR_HEADER_BYTES}`],
  ['names', `${NAME_BYTES_MAX} bytes of UTF-8`],
  ['partitions', `| ${PARTITIONS_MAX.toLocaleString('en')} |`],
  ['journal files', `${defaultStorageOptions.journalFileBytes / 1_048_576} MiB; larger`],
  ['groups', `${defaultStorageOptions.groupBytesMax / 1_048_576} MiB of journal bytes`],
  ['checkpoints', `| ${defaultStorageOptions.checkpointBytes / 1_048_576} MiB |`],
  [
    'back-pressure',
    `${defaultStorageOptions.unflushedBytesMax / 1_048_576} MiB, then sessions wait`,
  ],
  [
    'a batch of messages',
    `up to ${english(BATCH_BYTES_MAX)} bytes or ${BATCH_RECORDS_MAX} records`,
  ],
  ['a lone message', `a message of ${english(LONE_MESSAGE_BYTES_MIN)} bytes or more is alone`],
  ['settlements', `written anyway, ${LEDGER_FLUSH_MS} ms at most`],
  ['ledgers that gather', `more than ${RIDING_LEDGERS_MAX} queues`],
  ['gathering', `for ${LEDGER_GATHER_MS} to ${LEDGER_GATHER_MS + LEDGER_FLUSH_MS} ms`],
  [
    'the ceiling of deliveries',
    `ahead of the deliveries by ${english(defaultStorageOptions.deliveryCeilingStep)}`,
  ],
  ['memory queues', `(${mebibytes(defaultStorageOptions.memoryQueueBytesMax)}) in memory`],
  ['each memory queue', `each of them ${MEMORY_BYTES_MIN / 1_024} KiB in any case`],
  ['queues', `| queues of a namespace | ${english(QUEUES_PER_NAMESPACE_MAX)} |`],
  ['consumers', `| consumers of a queue | ${english(CONSUMERS_PER_QUEUE_MAX)} |`],
  ['messages', `| message of a queue | ${mebibytes(MESSAGE_BYTES_MAX)}, properties included |`],
  [
    'message ids',
    `${english(DEDUP_IDS_MAX)} and ${mebibytes(DEDUP_BYTES_MAX)} in a deduplication window`,
  ],
  [
    'windows in memory',
    `holds ${english(DEDUP_IDS_MAX)} ids and ${mebibytes(DEDUP_BYTES_MAX)} of them, as UTF-8`,
  ],
  ['priorities', `| priorities | ${PRIORITY_MAX} |`],
  [
    'segments of queues',
    `${mebibytes(defaultStorageOptions.queueSegmentBytes)}, of a ledger ${mebibytes(LEDGER_SEGMENT_BYTES)}`,
  ],
  ['keys', `${english(HELD_MESSAGES_MAX)} messages, then the queue stands`],
  ['dead letters', `| entries of a dead-letter history | ${DEAD_LETTER_ENTRIES_MAX} |`],
  [
    'transactions',
    `${mebibytes(TRANSACTION_BYTES_MAX)}, ${english(TRANSACTION_OPERATIONS_MAX)} operations`,
  ],
  ['delays', `| delay of a message | ${english(DELAY_MS_MAX)} ms |`],
  ['kept', `delayed exchange keeps | ${english(defaultStorageOptions.keptCountMax)} |`],
  [
    'releases',
    `at most ${RELEASE_COUNT_MAX} messages, and what is read for one ends with the read that reaches ${mebibytes(RELEASE_BYTES_MAX)}`,
  ],
  ['kept batches', `have batches of ${english(KEPT_BATCH_BYTES_MAX)} bytes`],
  ['the grace', `looked at again ${EXPIRY_GRACE_MS / 1_000} seconds after the start`],
])('says of %s what is so: %s', (_what, words) => {
  expect(text).toContain(words)
})

it('draws the group header as long as it is', () => {
  expect(text).toMatch(new RegExp(`40 ${GROUP_HEADER_BYTES}\\n\\| magic`))
})
