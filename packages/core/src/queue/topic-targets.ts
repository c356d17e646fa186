/** The route target of each topic, made when somebody asks for it, one for each. */
import type { Topic } from '../topic/topic.ts'
import { TopicTarget } from './topic-target.ts'

export class TopicTargets {
  readonly #targets = new WeakMap<Topic, TopicTarget>()

  of(topic: Topic): TopicTarget {
    const known = this.#targets.get(topic)
    if (known !== undefined) return known
    const target = new TopicTarget(topic)
    this.#targets.set(topic, target)
    return target
  }
}
