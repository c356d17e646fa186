/** What was under way when a process died is there whole or not at all. */
import type { Simulation } from '../simulation.ts'
import type { ModelTransaction } from './model-transaction.ts'
import type { QueueModel } from './queue-model.ts'
import type { SentMessage } from './sent-message.ts'

type Looks = ReadonlyMap<QueueModel, ReadonlySet<number>>

/** Where there are signs of it, and where it should be and is not. */
interface Evidence {
  readonly present: string[]
  readonly absent: string[]
}

const addMessage = (sent: SentMessage, looks: Looks, { present, absent }: Evidence): void => {
  for (const queue of sent.unit) {
    const stay = queue.stays.get(sent.number)
    if (stay === undefined || !looks.has(queue)) continue
    const what = `message ${sent.number} in ${queue.name}`
    if (stay.places.size > 0) present.push(what)
    else if (queue.isFirm(stay)) absent.push(what)
  }
}

const addSettlements = (
  { places, outcome }: ModelTransaction,
  looks: Looks,
  evidence: Evidence,
): void => {
  // What is returned is there in any case, what is rejected until it is among the dead letters.
  if (outcome !== 'ack') return
  for (const { stay, offset } of places) {
    const { queue, sent } = stay
    const offsets = looks.get(queue)
    if (offsets === undefined || !queue.isFirm(stay)) continue
    const what = `the settlement of ${sent.number} in ${queue.name}`
    if (offsets.has(offset)) evidence.absent.push(what)
    else evidence.present.push(what)
  }
}

export const checkUnits = (simulation: Simulation, looks: Looks): void => {
  const { queues, coverage } = simulation
  const inTransaction = new Set(queues.unheardTransactions.flatMap(({ messages }) => messages))
  for (const sent of queues.unheard) {
    if (inTransaction.has(sent) || sent.unit.length < 2 || !sent.isPersistent) continue
    coverage.add('fan-out in doubt at a crash')
    const evidence: Evidence = { present: [], absent: [] }
    addMessage(sent, looks, evidence)
    demandWhole(simulation, 'S9', evidence)
  }
  for (const transaction of queues.unheardTransactions) {
    const evidence: Evidence = { present: [], absent: [] }
    for (const sent of transaction.messages)
      if (sent.isPersistent) addMessage(sent, looks, evidence)
    addSettlements(transaction, looks, evidence)
    if (evidence.present.length > 0) coverage.add('transaction there after a crash')
    if (evidence.absent.length > 0) coverage.add('transaction gone after a crash')
    demandWhole(simulation, 'S10', evidence)
  }
  queues.unheard = []
  queues.unheardTransactions = []
}

const demandWhole = (simulation: Simulation, rule: string, { present, absent }: Evidence): void => {
  if (present.length === 0 || absent.length === 0) return
  simulation.violate(rule, `${present.join(', ')}: there; ${absent.join(', ')}: not`)
}
