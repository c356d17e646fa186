import type { Mutant } from './mutant.ts'

export const indexTrustedUnchecked: Mutant = {
  name: 'index-trusted-unchecked',
  description: 'An index file is believed whatever its checksum says.',
  patches: [
    {
      file: 'packages/core/src/log/sparse-index.ts',
      find: 'if (readUint32(bytes, 24) !== this.#crcOf(bytes)) return undefined',
      replace: '',
    },
  ],
}
