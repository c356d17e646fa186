/**
 * What has to happen at the end of this turn of the event loop, once per connection: every
 * connection that has something to write or to resume stands here at most once.
 */
export interface TurnTask {
  endTurn(): void
}

export class TurnQueue {
  readonly #defer: (callback: () => void) => void
  readonly #run: () => void
  #tasks: TurnTask[] = []
  #spare: TurnTask[] = []

  constructor(defer: (callback: () => void) => void) {
    this.#defer = defer
    this.#run = () => this.#runAll()
  }

  /** The caller remembers that it stands here and does not come twice. */
  add(task: TurnTask): void {
    if (this.#tasks.length === 0) this.#defer(this.#run)
    this.#tasks.push(task)
  }

  #runAll(): void {
    const tasks = this.#tasks
    this.#tasks = this.#spare
    for (const task of tasks) task.endTurn()
    tasks.length = 0
    this.#spare = tasks
  }
}
