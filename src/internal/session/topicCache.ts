// Finds the topic of a text message by the topic's name in the text, without parsing the message.
//
// It finds a topic only after `parse` has found it in a message, and only if the text has the exact name of the topic: it
// never finds a name that is escaped in the text.
import type { Span } from "../../SessionProtocol.ts"
import type { Desired, TopicEntry } from "./desired.ts"

// Far more topics than one connection has. Beyond that, the cache starts over.
const topicsKept = 16_384

// FNV-1a. Names with the same hash are rare among ten thousand.
const hashOf = (text: string, { end, start }: Span): number => {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

const isInSpan = (name: string, text: string, { end, start }: Span): boolean =>
  name.length === end - start && text.startsWith(name, start)

export class TopicCache<A> {
  readonly #topics: Desired<A>["topics"]
  // Keyed by hash: cutting the name out of the text and looking it up would double the time of a message (measured).
  #hashed = new Map<number, TopicEntry<A>>()
  // The topic found last. The next message is often of the same topic.
  #latest: TopicEntry<A> | undefined

  constructor(topics: Desired<A>["topics"]) {
    this.#topics = topics
  }

  /** The topic whose name is in the span, if the cache has learned it and it still has subscribers. */
  find(text: string, span: Span): TopicEntry<A> | undefined {
    const latest = this.#latest
    if (latest !== undefined && latest.isDesired && isInSpan(latest.topic, text, span)) return latest
    const likely = this.#hashed.get(hashOf(text, span))
    if (likely === undefined || !likely.isDesired || !isInSpan(likely.topic, text, span)) return undefined
    this.#latest = likely
    return likely
  }

  /** Learns that `parse` found this topic in the message. */
  learn(topic: string, text: string, span: Span): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return
    if (this.#hashed.size >= topicsKept) this.#hashed = new Map()
    this.#hashed.set(hashOf(text, span), entry)
  }
}
