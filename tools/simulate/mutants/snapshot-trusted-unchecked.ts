import type { Mutant } from './mutant.ts'

export const snapshotTrustedUnchecked: Mutant = {
  name: 'snapshot-trusted-unchecked',
  description: 'The snapshot of the definitions is believed whatever its checksum says.',
  patches: [
    {
      file: 'packages/core/src/meta/metadata-snapshot.ts',
      find: 'if (bytes.length < CRC_BYTES || readUint32(bytes, 0) !== crc32c(body)) return undefined',
      replace: '',
    },
  ],
}
