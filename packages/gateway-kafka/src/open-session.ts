/** What a connection has once it is known who speaks: everything its requests work on. */
import { compressionCodecs } from '@millrace/codec'
import type { Caller, EngineSession, Services, SessionOptions } from '@millrace/core'
import { OpenTopics } from './open-topics.ts'
import { ProduceIntake, type ProduceIntakeOptions } from './produce-intake.ts'

export interface OpenSession {
  readonly caller: Caller
  readonly engine: EngineSession
  readonly topics: OpenTopics
  readonly intake: ProduceIntake
  /** Reads for clients that do not know zstd: what they cannot read is inflated for them. */
  engineWithoutZstd(): EngineSession
  close(): void
}

const codecsWithoutZstd: readonly number[] = Object.values(compressionCodecs).filter(
  (codec) => codec !== compressionCodecs.zstd,
)

const nothingHappens = (): void => undefined

const optionsOf = (
  { limits, meters }: Services,
  caller: Caller,
): Omit<SessionOptions, 'onCompletions' | 'onWritable'> => ({
  ...caller,
  inFlightCountMax: limits.inFlightCountMax,
  inFlightBytesMax: limits.inFlightBytesMax,
  ...(meters === undefined ? {} : { traffic: meters.traffic('kafka') }),
})

export const createOpenSession = (
  services: Services,
  caller: Caller,
  hooks: Omit<ProduceIntakeOptions, 'engine' | 'earliestOf'>,
): OpenSession => {
  const { broker } = services
  const options = optionsOf(services, caller)
  const engine = broker.openSession({
    ...options,
    onCompletions: (completions, count) => intake.onCompletions(completions, count),
    onWritable: () => intake.onWritable(),
  })
  const earliestOf = (topic: string, partition: number): number =>
    earliestOffset(services, caller, topic, partition)
  const intake = new ProduceIntake({ ...hooks, engine, earliestOf })
  const topics = new OpenTopics(broker, caller)
  let withoutZstd: EngineSession | undefined
  return {
    caller,
    engine,
    topics,
    intake,
    engineWithoutZstd: () =>
      (withoutZstd ??= broker.openSession({
        ...options,
        codecs: codecsWithoutZstd,
        onCompletions: nothingHappens,
        onWritable: nothingHappens,
      })),
    close: () => {
      topics.close()
      engine.close()
      withoutZstd?.close()
    },
  }
}

const earliestOffset = (
  { broker }: Services,
  caller: Caller,
  topic: string,
  partition: number,
): number => {
  try {
    return broker.describeTopic(caller, topic).partitions[partition]?.earliest ?? -1
  } catch {
    // The topic is gone since: nothing better is known.
    return -1
  }
}
