import type { Mutant } from './mutant.ts'

export const recycledBytesBelieved: Mutant = {
  name: 'recycled-bytes-believed',
  description:
    'A payload is not held against its checksum: what an earlier use of the file left there passes for data.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'return length === 0 || crc32c(group.payload.subarray(entry.payloadAt, end)) === entry.crc',
      replace: 'return true',
    },
  ],
}
