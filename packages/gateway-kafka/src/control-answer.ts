/**
 * The answer to a rare request: decode, do, answer. While one is under way nothing more is read from
 * the connection, so that what follows it sees what it did.
 */
import type { Answer } from './answer-queue.ts'
import type { KafkaSession } from './kafka-session.ts'
import type { MessageWriter } from './message-writer.ts'
import type { Api, ApiVersion } from './schema/api.ts'
import { writeResponse } from './schema/header.ts'

export interface ControlHandler<Request, Response> {
  readonly api: Api<Request, Response>
  /** Served before the peer has shown who it is. */
  readonly isForStrangers?: boolean
  /** Request errors stand in the response; what is thrown here ends the connection. */
  run(session: KafkaSession, request: Request, version: number): Response | Promise<Response>
}

/** A handler for the table: what goes in and what comes out is between its API and itself. */
export type AnyControlHandler = ControlHandler<unknown, unknown>

export const controlHandler = <Request, Response>(
  handler: ControlHandler<Request, Response>,
): AnyControlHandler => handler as AnyControlHandler

export class ControlAnswer implements Answer {
  readonly bringsRecords = false
  readonly #session: KafkaSession
  readonly #handler: AnyControlHandler
  readonly #version: ApiVersion<unknown, unknown>
  readonly #correlation: number
  readonly #request: unknown
  #response: unknown
  #isReady: boolean

  constructor(
    session: KafkaSession,
    handler: AnyControlHandler,
    version: ApiVersion<unknown, unknown>,
    correlation: number,
    request: unknown,
  ) {
    this.#session = session
    this.#handler = handler
    this.#version = version
    this.#correlation = correlation
    this.#request = request
    this.#response = undefined
    this.#isReady = false
  }

  get isReady(): boolean {
    return this.#isReady
  }

  start(): void {
    void this.#run()
  }

  write(writer: MessageWriter): void {
    const { key } = this.#handler.api
    writeResponse(writer, key, this.#version, this.#correlation, this.#response)
    this.#session.endControl()
  }

  discard(): void {
    this.#response = undefined
  }

  hurry(): void {
    // It is under way; its outcome must be told.
  }

  async #run(): Promise<void> {
    try {
      const { run } = this.#handler
      this.#response = await run(this.#session, this.#request, this.#version.version)
      this.#isReady = true
      this.#session.pump()
    } catch (error) {
      this.#session.fail(error)
    }
  }
}
