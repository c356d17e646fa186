import type { Mutant } from './mutant.ts'

export const offsetReusedAfterCrash: Mutant = {
  name: 'offset-reused-after-crash',
  description:
    'A memory log goes on where its readable part ends, though higher offsets were handed out.',
  patches: [
    {
      file: 'packages/core/src/log/recovered-logs.ts',
      find: 'const offset = row.isVolatile ? row.ceiling : row.nextOffset',
      replace: 'const offset = row.nextOffset',
    },
    {
      file: 'packages/core/src/log/recovered-logs.ts',
      find: `    log.nextOffset = entry.nextOffset
    log.earliestOffset = entry.nextOffset
`,
      replace: '',
    },
  ],
}
