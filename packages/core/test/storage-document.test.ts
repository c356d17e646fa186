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
import { PARTITIONS_MAX } from '../src/topic/topic-settings.ts'

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
])('says of %s what is so: %s', (_what, words) => {
  expect(text).toContain(words)
})

it('draws the group header as long as it is', () => {
  expect(text).toMatch(new RegExp(`40 ${GROUP_HEADER_BYTES}\\n\\| magic`))
})
