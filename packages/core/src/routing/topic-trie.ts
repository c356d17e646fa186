/**
 * Patterns of words in a trie: `*` is exactly one word, `#` any number of words, also none.
 *
 * ```
 *   *.stock.#   a.#.b        root ─ * ─ stock ─ # ●          ● targets
 *                                └ a ─ # ─ b ●
 * ```
 *
 * A key is followed word by word with the set of all nodes that it can have come to, as one runs a
 * nondeterministic automaton: never by trying one way and going back. A node is in the set of a step
 * once, known by its mark, so a key costs at most its words times the nodes of the trie, whatever the
 * patterns are, and usually its words times the few nodes that begin as it does.
 *
 * An empty key has no words: only `#` matches it. Between two dots is a word, be it empty.
 */
import type { RouteTarget, TargetVisitor } from './route-target.ts'
import { TargetList } from './target-list.ts'

/** Sets larger than this are given back after a match. */
const KEPT_STATES_MAX = 1_024

class TrieNode {
  readonly parent: TrieNode | undefined
  readonly word: string
  readonly isHash: boolean
  words: Map<string, TrieNode> | undefined = undefined
  star: TrieNode | undefined = undefined
  hash: TrieNode | undefined = undefined
  targets: TargetList | undefined = undefined
  /** The step that has this node in its set. */
  mark = 0

  constructor(parent: TrieNode | undefined, word: string) {
    this.parent = parent
    this.word = word
    this.isHash = word === '#'
  }

  get isUnused(): boolean {
    const hasChildren =
      this.words !== undefined || this.star !== undefined || this.hash !== undefined
    return this.targets === undefined && !hasChildren
  }

  child(word: string): TrieNode | undefined {
    if (word === '*') return this.star
    return word === '#' ? this.hash : this.words?.get(word)
  }

  addChild(word: string): TrieNode {
    const node = new TrieNode(this, word)
    if (word === '*') this.star = node
    else if (word === '#') this.hash = node
    else (this.words ??= new Map<string, TrieNode>()).set(word, node)
    return node
  }

  removeChild(word: string): void {
    if (word === '*') this.star = undefined
    else if (word === '#') this.hash = undefined
    else this.words?.delete(word)
    if (this.words?.size === 0) this.words = undefined
  }
}

export class TopicTrie {
  readonly #root = new TrieNode(undefined, '')
  /** Nodes in the set of the last step, and of the one that is being made; reused. */
  #states: TrieNode[] = []
  #nextStates: TrieNode[] = []
  #nextCount = 0
  #step = 0
  /** Nodes that were in a set, since the beginning. */
  workCount = 0

  get isEmpty(): boolean {
    return this.#root.isUnused
  }

  add(pattern: string, target: RouteTarget): void {
    let node = this.#root
    for (const word of patternWords(pattern)) node = node.child(word) ?? node.addChild(word)
    node.targets ??= new TargetList()
    node.targets.add(target)
  }

  remove(pattern: string, target: RouteTarget): void {
    let node: TrieNode | undefined = this.#root
    for (const word of patternWords(pattern)) node = node?.child(word)
    if (node?.targets === undefined) return
    node.targets.remove(target)
    if (node.targets.size === 0) node.targets = undefined
    for (let at = node; at.parent !== undefined && at.isUnused; at = at.parent)
      at.parent.removeChild(at.word)
  }

  match(key: string, visitor: TargetVisitor): void {
    this.#begin()
    let count = this.#turn()
    for (let start = 0; start <= key.length && key !== '' && count > 0;) {
      const dot = key.indexOf('.', start)
      const end = dot < 0 ? key.length : dot
      this.#follow(key.slice(start, end), count)
      count = this.#turn()
      start = end + 1
    }
    for (let index = 0; index < count; index++) this.#states[index]!.targets?.visitAll(visitor)
    this.#giveBack()
  }

  #begin(): void {
    this.#step++
    this.#enter(this.#root)
  }

  /** Makes the set of the next step from the first `count` of this one. */
  #follow(word: string, count: number): void {
    const states = this.#states
    this.#step++
    for (let index = 0; index < count; index++) {
      const node = states[index]!
      if (node.isHash) this.#enter(node)
      if (node.star !== undefined) this.#enter(node.star)
      const next = node.words?.get(word)
      if (next !== undefined) this.#enter(next)
    }
  }

  /** With a node goes the `#` below it, because that may stand for no word. */
  #enter(entered: TrieNode): void {
    let node: TrieNode | undefined = entered
    while (node !== undefined && node.mark !== this.#step) {
      node.mark = this.#step
      this.#nextStates[this.#nextCount++] = node
      node = node.hash
    }
  }

  /** The set that was made becomes the current one. */
  #turn(): number {
    const count = this.#nextCount
    const states = this.#states
    this.#states = this.#nextStates
    this.#nextStates = states
    this.#nextCount = 0
    this.workCount += count
    return count
  }

  #giveBack(): void {
    if (this.#states.length > KEPT_STATES_MAX) this.#states = []
    if (this.#nextStates.length > KEPT_STATES_MAX) this.#nextStates = []
  }
}

/**
 * The words of a pattern in one form for all that mean the same: in a run of wildcards the stars
 * stand first, and after them one `#` at most. So a run adds one state to a set that lasts, not many.
 */
const patternWords = (pattern: string): string[] => {
  const words: string[] = []
  let hasHash = false
  for (const word of pattern === '' ? [] : pattern.split('.')) {
    if (word === '#') {
      hasHash = true
      continue
    }
    if (word !== '*' && hasHash) {
      words.push('#')
      hasHash = false
    }
    words.push(word)
  }
  if (hasHash) words.push('#')
  return words
}
