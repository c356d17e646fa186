/**
 * A process that does the work of a bench: load generators and the bare programs that the broker is
 * compared with. A process of its own each, so that its CPU can be told from everybody else's.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, ParametersOf, ResultOf, TaskName } from './tasks/tasks.ts'

/** No task is silent for as long: a bench that hangs says so and goes on with the next question. */
const SILENT_MS_MAX = 300_000

interface Waiting {
  readonly onProgress: (progress: number) => void
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
}

export class Worker {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor(role: string, environment: NodeJS.ProcessEnv) {
    const file = fileURLToPath(new URL('./worker-main.js', import.meta.url))
    const env = { ...environment, BENCH_ROLE: role }
    this.#child = fork(file, { env, serialization: 'advanced' })
    this.pid = this.#child.pid ?? -1
    this.#child.on('message', (answer: Answer) => this.#accept(answer))
    this.#child.on('exit', (code) => this.#failAll(new Error(`worker ${role} ended with ${code}`)))
  }

  run<Name extends TaskName>(
    name: Name,
    parameters: ParametersOf<Name>,
    onProgress: (progress: number) => void = () => undefined,
  ): Promise<ResultOf<Name>> {
    const id = ++this.#lastId
    const giveUp = (): void =>
      this.#accept({ id, failure: `${name} said nothing for ${SILENT_MS_MAX} ms` })
    const timer = setTimeout(giveUp, SILENT_MS_MAX)
    const result = new Promise<ResultOf<Name>>((resolve, reject) => {
      const waiting = { resolve: resolve as (result: never) => void, reject }
      const onWord = (progress: number): void => {
        timer.refresh()
        onProgress(progress)
      }
      this.#waiting.set(id, { onProgress: onWord, ...waiting })
      this.#child.send({ id, name, parameters })
    })
    return result.finally(() => clearTimeout(timer))
  }

  /** For tasks that say when they are ready: resolves then, with the port of one that has one. */
  serve<Name extends TaskName>(
    name: Name,
    parameters: ParametersOf<Name>,
  ): Promise<{ port: number; done: Promise<ResultOf<Name>> }> {
    return new Promise((resolve, reject) => {
      const done: Promise<ResultOf<Name>> = this.run(name, parameters, (port) =>
        resolve({ port, done }),
      )
      done.catch(reject)
    })
  }

  /** Ends now, whatever it does. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    await exit
  }

  #accept(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if ('progress' in answer) return waiting.onProgress(answer.progress)
    this.#waiting.delete(answer.id)
    if ('failure' in answer) waiting.reject(new Error(answer.failure))
    else waiting.resolve(answer.result as never)
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
