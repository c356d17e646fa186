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
import { replayedProducersForgotten } from './replayed-producers-forgotten.ts'
import { duplicateAnsweredEarly } from './duplicate-answered-early.ts'
import { refusedBatchRemembered } from './refused-batch-remembered.ts'
import { producerSnapshotAhead } from './producer-snapshot-ahead.ts'
import { gapAccepted } from './gap-accepted.ts'
import { producersForgottenAtCrash } from './producers-forgotten-at-crash.ts'
import { removalNotInJournal } from './removal-not-in-journal.ts'
import { removalFreesUnderLease } from './removal-frees-under-lease.ts'
import { retentionIgnoresSize } from './retention-ignores-size.ts'
import { compactionDropsLast } from './compaction-drops-last.ts'
import { compactionSwapsUnsynced } from './compaction-swaps-unsynced.ts'
import { compactionIgnoresCheckpoints } from './compaction-ignores-checkpoints.ts'
import { tombstonesGoAtOnce } from './tombstones-go-at-once.ts'
import { compactionWithoutLag } from './compaction-without-lag.ts'
import { rangeClosedUnderLease } from './range-closed-under-lease.ts'
import { deliveredAboveHighWatermark } from './delivered-above-high-watermark.ts'
import { ceilingNotPersisted } from './ceiling-not-persisted.ts'
import { oldCeilingInSnapshot } from './old-ceiling-in-snapshot.ts'
import { deadLetterSettledFirst } from './dead-letter-settled-first.ts'
import { stagedAckLost } from './staged-ack-lost.ts'
import { fanOutNotAtomic } from './fan-out-not-atomic.ts'
import { ledgerSnapshotForgetsRuns } from './ledger-snapshot-forgets-runs.ts'
import { settlementsNotWritten } from './settlements-not-written.ts'
import { requeueForgetsPlace } from './requeue-forgets-place.ts'
import { queueDeletedInWord } from './queue-deleted-in-word.ts'
import { keptNotRecovered } from './kept-not-recovered.ts'
import { releasedApart } from './released-apart.ts'
import { releasedEarly } from './released-early.ts'
import { windowNotRecovered } from './window-not-recovered.ts'
import { windowTrimmedAway } from './window-trimmed-away.ts'
import { keyTakenByTwo } from './key-taken-by-two.ts'
import { everybodyIsActive } from './everybody-is-active.ts'
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
  replayedProducersForgotten,
  duplicateAnsweredEarly,
  refusedBatchRemembered,
  producerSnapshotAhead,
  gapAccepted,
  producersForgottenAtCrash,
  removalNotInJournal,
  removalFreesUnderLease,
  retentionIgnoresSize,
  compactionDropsLast,
  compactionSwapsUnsynced,
  compactionIgnoresCheckpoints,
  tombstonesGoAtOnce,
  compactionWithoutLag,
  rangeClosedUnderLease,
  deliveredAboveHighWatermark,
  ceilingNotPersisted,
  oldCeilingInSnapshot,
  deadLetterSettledFirst,
  stagedAckLost,
  fanOutNotAtomic,
  ledgerSnapshotForgetsRuns,
  settlementsNotWritten,
  requeueForgetsPlace,
  queueDeletedInWord,
  windowNotRecovered,
  windowTrimmedAway,
  keyTakenByTwo,
  everybodyIsActive,
  keptNotRecovered,
  releasedEarly,
  releasedApart,
]
