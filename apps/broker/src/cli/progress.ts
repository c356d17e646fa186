/** A line that counts, on a terminal only, five times a second. */
const INTERVAL_MS = 200

const grouped = new Intl.NumberFormat('en-US')

export class Progress {
  readonly #terminal: NodeJS.WriteStream
  readonly #startedMs = performance.now()
  readonly #timer: NodeJS.Timeout | undefined
  #count = 0
  #bytes = 0

  constructor(terminal: NodeJS.WriteStream) {
    this.#terminal = terminal
    this.#timer = terminal.isTTY ? setInterval(() => this.#draw(), INTERVAL_MS).unref() : undefined
  }

  get count(): number {
    return this.#count
  }

  add(bytes: number): void {
    this.#count += 1
    this.#bytes += bytes
  }

  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#draw()
    this.#terminal.write('\n')
  }

  #draw(): void {
    const seconds = Math.max((performance.now() - this.#startedMs) / 1_000, 0.001)
    const rate = grouped.format(Math.round(this.#count / seconds))
    const megabytes = (this.#bytes / 1e6).toFixed(1)
    const text = `${grouped.format(this.#count)} records  ${megabytes} MB  ${rate}/s`
    this.#terminal.write(`\r${text}\u001b[K`)
  }
}
