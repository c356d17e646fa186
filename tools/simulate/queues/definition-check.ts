/** Exchanges, bindings and queues are what was acknowledged; what was under way is decided now. */
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import { type Definition, bindingKey } from './definitions.ts'
import type { QueueModel } from './queue-model.ts'

const NAMESPACE = '/'

/** `isFirst`: the process has just started, and nothing is under way. */
export const checkDefinitions = (life: Life, isFirst: boolean): void => {
  const caller = callerOf(NAMESPACE)
  const { messaging } = life.broker
  const { definitions } = life.simulation.queues
  if (isFirst) dropTransient(life)
  const exchanges = messaging.listExchanges(caller).filter(({ isPredeclared }) => !isPredeclared)
  compare(
    life,
    'exchange',
    definitions.exchanges,
    new Set(exchanges.map(({ exchange }) => exchange)),
    isFirst,
  )
  const queues = messaging.listQueues(caller)
  compare(life, 'queue', definitions.queues, new Set(queues.map(({ queue }) => queue)), isFirst)
  const bindings = messaging.listBindings(caller).filter(({ exchange }) => exchange !== '')
  compare(life, 'binding', definitions.bindings, new Set(bindings.map(bindingKey)), isFirst)
  for (const { queue: name, settings } of queues) {
    const known = definitions.queues.get(name)
    if (known !== undefined) checkSettings(life, known, settings, isFirst)
  }
}

/** What is not durable went with its process, and so did what leads to it. */
const dropTransient = ({ simulation }: Life): void => {
  const { definitions } = simulation.queues
  for (const [name, { queue }] of definitions.queues) {
    if (queue.isDurable) continue
    definitions.queues.delete(name)
    for (const { binding } of definitions.bindingsOf('queue', name))
      definitions.bindings.delete(bindingKey(binding))
  }
}

const compare = (
  { simulation }: Life,
  kind: string,
  known: Map<string, Definition>,
  actual: ReadonlySet<string>,
  isFirst: boolean,
): void => {
  for (const [name, definition] of known) {
    const isThere = actual.has(name)
    if (definition.standing === 'there') {
      if (!isThere) simulation.violate('META', `${kind} ${name} is gone`)
    } else if (isFirst) {
      definition.standing = 'there'
      if (!isThere) known.delete(name)
    }
  }
  for (const name of actual)
    if (!known.has(name))
      simulation.violate('META', `${kind} ${name} is there, and nobody made it or it was deleted`)
}

const differences = (wanted: QueueModel['settings'], actual: object): string[] =>
  Object.entries(wanted)
    .filter(([key, value]) => (actual as Record<string, unknown>)[key] !== value)
    .map(([key]) => key)

const checkSettings = (
  { simulation }: Life,
  known: Definition & {
    readonly queue: QueueModel
    pendingSettings: QueueModel['settings'] | undefined
  },
  actual: object,
  isFirst: boolean,
): void => {
  const { queue, pendingSettings } = known
  const pending = pendingSettings
  if (pending !== undefined && differences({ ...queue.settings, ...pending }, actual).length === 0)
    queue.settings = { ...queue.settings, ...pending }
  if (isFirst) known.pendingSettings = undefined
  const wrong = differences(queue.settings, actual)
  if (wrong.length > 0 && known.standing === 'there')
    simulation.violate('META', `queue ${queue.name} has another ${wrong.join(', ')}`)
}
