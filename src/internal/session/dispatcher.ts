// Tells messages apart, and gives each topic's listeners its data.
import type * as Item from "../../Item.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { ServerMessage, SessionProtocol, TopicText } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import * as Inbox from "../connection/inbox.ts"
import type { Answered } from "./answers.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import { TopicCache } from "./topicCache.ts"

export interface Options<A, N> {
  readonly protocol: SessionProtocol<A, N>
  readonly topics: Desired<A>["topics"]
  readonly now: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  readonly onAnswer: (answer: Answered) => void
  readonly onNotice: ((notice: N) => void) | undefined
  /** Something may be missing from here on. */
  readonly onGap: (gap: Item.Gap) => void
}

export interface Dispatcher {
  readonly receive: (entries: ReadonlyArray<Inbox.BareItem>) => void
  /** When something came last. */
  readonly last: () => number
}

export const make = <A, N>({ now, onAnswer, onGap, onNotice, protocol, record, topics }: Options<A, N>): Dispatcher => {
  let last = now()

  // What came at once for a topic is heard at once. Between two gaps, the order of different topics says nothing.
  let fresh: Array<TopicEntry<A>> = []
  let batches: Array<Array<A>> = []

  const keep = (entry: TopicEntry<A>, data: A) => {
    if (fresh[entry.batchIndex] === entry) {
      batches[entry.batchIndex]?.push(data)
    } else {
      entry.batchIndex = fresh.push(entry) - 1
      // With room for one: of a thousand topics, hardly any has more at once.
      batches.push([data])
    }
  }

  const deliver = (at: number) => {
    const ready = fresh
    const pending = batches
    fresh = []
    batches = []
    for (const [batchIndex, entry] of ready.entries()) {
      const batch = pending[batchIndex] ?? []
      if (entry.status !== "live") {
        entry.status = "live"
        entry.since = at
        record(SessionEvent.Live({ at, topic: entry.topic }))
      }
      entry.tracker.observe(at)
      const { listeners } = entry
      for (const listener of listeners) {
        // What one does with it may make another leave.
        if (listeners === entry.listeners || entry.listeners.includes(listener)) listener.data(batch)
      }
    }
  }

  const take = (parsed: ServerMessage<A, N>) => {
    switch (parsed._tag) {
      case "Data": {
        const entry = topics.get(parsed.topic)
        if (entry !== undefined) keep(entry, parsed.data)
        return
      }
      case "Acknowledged":
      case "Refused":
        onAnswer(parsed)
        return
      case "Notice":
        onNotice?.(parsed.notice)
        return
      case "Invalid":
        record(SessionEvent.Invalid({ at: now(), reason: parsed.reason, excerpt: parsed.excerpt }))
    }
  }

  const parse = (message: Message) => {
    take(protocol.parse(message))
  }

  const readText = ({ data, topicSpan }: TopicText<A>) => {
    const cache = new TopicCache<A>(topics)
    return (text: string) => {
      const span = topicSpan(text)
      if (span === undefined) {
        parse(text)
        return
      }
      const entry = cache.find(text, span)
      if (entry !== undefined) {
        keep(entry, data(text))
        return
      }
      const parsed = protocol.parse(text)
      if (parsed._tag === "Data") cache.learn(parsed.topic, text, span)
      take(parsed)
    }
  }
  const parseText = protocol.topicText === undefined ? parse : readText(protocol.topicText)

  const understand = (messages: ReadonlyArray<Message>, at: number) => {
    for (const message of messages) {
      if (typeof message === "string") parseText(message)
      else parse(message)
    }
    deliver(at)
  }

  return {
    receive: (entries) => {
      const at = now()
      last = at
      // Gaps are rare: nearly always there is one batch.
      if (entries.every(Inbox.isMessage)) {
        understand(entries, at)
        return
      }
      let messages: Array<Message> = []
      for (const item of entries) {
        if (Inbox.isMessage(item)) {
          messages.push(item)
          continue
        }
        understand(messages, at)
        messages = []
        onGap(item)
      }
      understand(messages, at)
    },
    last: () => last
  }
}
