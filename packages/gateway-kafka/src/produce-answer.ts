/** The answer to a Produce request, complete when each of its batches has an outcome. */
import type { Answer } from './answer-queue.ts'
import type { MessageWriter } from './message-writer.ts'
import type { PendingBatch } from './produce-intake.ts'
import type { ApiVersion } from './schema/api.ts'
import {
  NO_ENDPOINTS,
  PRODUCE_KEY,
  type ProduceRequest,
  type ProduceResponse,
} from './schema/apis/produce.ts'
import { writeResponse } from './schema/header.ts'

export type ProduceVersion = ApiVersion<ProduceRequest, ProduceResponse>

interface PendingTopic {
  readonly name: string
  readonly partitionResponses: PendingBatch[]
}

export class ProduceAnswer implements Answer {
  readonly bringsRecords = false
  readonly responses: PendingTopic[]
  readonly throttleTimeMs: number
  readonly nodeEndpoints: readonly never[]
  readonly isSilent: boolean
  readonly #api: ProduceVersion
  readonly #correlation: number
  #unsettledCount: number

  constructor(api: ProduceVersion, correlation: number, isSilent: boolean) {
    this.responses = []
    this.throttleTimeMs = 0
    this.nodeEndpoints = NO_ENDPOINTS
    this.isSilent = isSilent
    this.#api = api
    this.#correlation = correlation
    this.#unsettledCount = 0
  }

  get isReady(): boolean {
    return this.#unsettledCount === 0
  }

  /** A batch goes to the engine. */
  expectOne(): void {
    this.#unsettledCount += 1
  }

  settleOne(): void {
    this.#unsettledCount -= 1
  }

  start(): void {
    // The engine has it already.
  }

  write(writer: MessageWriter): void {
    writeResponse(writer, PRODUCE_KEY, this.#api, this.#correlation, this)
  }

  discard(): void {
    this.responses.length = 0
  }

  hurry(): void {
    // Its promise takes the time it takes.
  }
}
