/**
 * What went in and out, for the metrics: of one topic, or of all sessions of one protocol. Plain
 * numbers that the hot path adds to; whoever shows them reads them when asked.
 *
 * Records read are counted by their offsets: what compaction took away below them counts as well.
 */
export class TrafficCounters {
  /** Batches that were sent, taken or not. */
  appendRequests = 0
  recordsIn = 0
  bytesIn = 0
  recordsOut = 0
  bytesOut = 0

  appended(records: number, bytes: number): void {
    this.recordsIn += records
    this.bytesIn += bytes
  }

  read(records: number, bytes: number): void {
    this.recordsOut += records
    this.bytesOut += bytes
  }
}
