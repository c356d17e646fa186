/**
 * The bare sync loop: write a block into a file of zeros, sync, again. What the disk can do for a
 * single program that waits for every write; the file has its size beforehand, as a journal has.
 */
import { rm } from 'node:fs/promises'
import { createNodeEnvironment } from '@millrace/core'
import { slowFile } from '../slow-disk.ts'
import { type Latencies, latenciesOf } from '../statistics.ts'

const BLOCK_BYTES = 4096
const FILE_BYTES = 16 * 1024 * 1024
const WARM_UP_COUNT = 20

export interface SyncLoopParameters {
  readonly path: string
  readonly durationMs: number
  /** Added to every sync; 0 for the disk as it is. */
  readonly syncDelayMs: number
}

export const syncLoop = async (parameters: SyncLoopParameters): Promise<Latencies> => {
  const { path, durationMs, syncDelayMs } = parameters
  const plain = await createNodeEnvironment().disk.open(path, 'create')
  const file = syncDelayMs > 0 ? slowFile(plain, syncDelayMs) : plain
  try {
    await plain.write([new Uint8Array(FILE_BYTES)], 0)
    await plain.sync()
    const block = [new Uint8Array(BLOCK_BYTES).fill(1)]
    const samples: number[] = []
    const endAt = performance.now() + durationMs
    for (let count = -WARM_UP_COUNT; count <= 0 || performance.now() < endAt; count++) {
      const startedAt = performance.now()
      await file.write(block, ((count + WARM_UP_COUNT) * BLOCK_BYTES) % FILE_BYTES)
      await file.sync()
      if (count >= 0) samples.push(performance.now() - startedAt)
    }
    return latenciesOf(samples)
  } finally {
    await plain.close()
    await rm(path, { force: true })
  }
}
