/** All planted bugs. */
import { ackBeforeSync } from './ack-before-sync.ts'
import { indexTrustedUnchecked } from './index-trusted-unchecked.ts'
import { directoryEntryNotSynced } from './directory-entry-not-synced.ts'
import { syncRetriedAfterFailure } from './sync-retried-after-failure.ts'
import { markerNotVerified } from './marker-not-verified.ts'
import { recycledBytesBelieved } from './recycled-bytes-believed.ts'
import { offsetReusedAfterCrash } from './offset-reused-after-crash.ts'
import { damageTakenForTornTail } from './damage-taken-for-torn-tail.ts'
import { checkpointWithoutSync } from './checkpoint-without-sync.ts'
import { recoveredBytesNotSynced } from './recovered-bytes-not-synced.ts'
import { snapshotTrustedUnchecked } from './snapshot-trusted-unchecked.ts'
import type { Mutant } from './mutant.ts'

export const mutants: readonly Mutant[] = [
  ackBeforeSync,
  indexTrustedUnchecked,
  directoryEntryNotSynced,
  syncRetriedAfterFailure,
  markerNotVerified,
  recycledBytesBelieved,
  offsetReusedAfterCrash,
  damageTakenForTornTail,
  checkpointWithoutSync,
  recoveredBytesNotSynced,
  snapshotTrustedUnchecked,
]
