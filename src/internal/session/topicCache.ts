// Knows the topic of a text frame by the name that stands in it, without parsing the frame.
//
// A name passes for the topic when `parse` once found that topic in such a frame, and the topic is called just so: what is
// escaped in a frame is not what it says.
import type { Span } from "../../SessionProtocol.ts"
import type { Desired, TopicEntry } from "./desired.ts"

// Far more topics than one connection has; beyond it they are learned anew.
const topicsKept = 16_384

// FNV-1a: nearly always, each of ten thousand names has its own.
const hashOf = (text: string, { end, start }: Span): number => {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

const stands = (name: string, text: string, { end, start }: Span): boolean =>
  name.length === end - start && text.startsWith(name, start)

export class TopicCache<A> {
  readonly #topics: Desired<A>["topics"]
  // By hashes, since to cut a name out of a frame and look that up among thousands takes as long as all else (measured).
  #hashed = new Map<number, TopicEntry<A>>()
  // The topic of the frame before: that of the next one is often the same.
  #latest: TopicEntry<A> | undefined

  constructor(topics: Desired<A>["topics"]) {
    this.#topics = topics
  }

  /** The topic, if it is known by its name and somebody wants it. */
  find(text: string, span: Span): TopicEntry<A> | undefined {
    const latest = this.#latest
    if (latest !== undefined && latest.isDesired && stands(latest.topic, text, span)) return latest
    const likely = this.#hashed.get(hashOf(text, span))
    if (likely === undefined || !likely.isDesired || !stands(likely.topic, text, span)) return undefined
    this.#latest = likely
    return likely
  }

  /** The frame is of this topic, as `parse` says. */
  learn(topic: string, text: string, span: Span): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return
    if (this.#hashed.size >= topicsKept) this.#hashed = new Map()
    this.#hashed.set(hashOf(text, span), entry)
  }
}
