// Tells messages apart, and gives each topic's listeners its data.
import type * as Frame from "../../Frame.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { Incoming, SessionProtocol, TopicFrames } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import * as Inbox from "../connection/inbox.ts"
import type { Answered } from "./answers.ts"
import type { Desired, Entry } from "./desired.ts"
import { TopicCache } from "./topicCache.ts"

export interface Options<A, N> {
  readonly protocol: SessionProtocol<A, N>
  readonly topics: Desired<A>["topics"]
  readonly now: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  readonly onAnswer: (answer: Answered) => void
  readonly onNotice: ((notice: N) => void) | undefined
  /** Something may be missing from here on. */
  readonly onGap: (gap: Frame.Gap) => void
}

export interface Dispatcher {
  readonly receive: (entries: ReadonlyArray<Inbox.Entry>) => void
  /** When something came last. */
  readonly last: () => number
}

export const make = <A, N>({ now, onAnswer, onGap, onNotice, protocol, record, topics }: Options<A, N>): Dispatcher => {
  let last = now()

  // What came at once for a topic is heard at once. Between two gaps, the order of different topics says nothing.
  let fresh: Array<Entry<A>> = []
  let batches: Array<Array<A>> = []

  const keep = (entry: Entry<A>, data: A) => {
    if (fresh[entry.place] === entry) {
      batches[entry.place]?.push(data)
    } else {
      entry.place = fresh.push(entry) - 1
      // With room for one: of a thousand topics, hardly any has more at once.
      batches.push([data])
    }
  }

  const hear = (at: number) => {
    const heard = fresh
    const unheard = batches
    fresh = []
    batches = []
    for (const [place, entry] of heard.entries()) {
      const batch = unheard[place] ?? []
      if (entry.status !== "live") {
        entry.status = "live"
        entry.since = at
        record(SessionEvent.Live({ at, topic: entry.topic }))
      }
      entry.pulse.beat(at)
      const { listeners } = entry
      for (const listener of listeners) {
        // What one does with it may make another leave.
        if (listeners === entry.listeners || entry.listeners.includes(listener)) listener.data(batch)
      }
    }
  }

  const take = (incoming: Incoming<A, N>) => {
    switch (incoming._tag) {
      case "Data": {
        const entry = topics.get(incoming.topic)
        if (entry !== undefined) keep(entry, incoming.data)
        return
      }
      case "Acknowledged":
      case "Refused":
        onAnswer(incoming)
        return
      case "Notice":
        onNotice?.(incoming.notice)
        return
      case "Invalid":
        record(SessionEvent.Invalid({ at: now(), reason: incoming.reason, excerpt: incoming.excerpt }))
    }
  }

  const parse = (message: Message) => {
    take(protocol.parse(message))
  }

  const readText = ({ data, topicSpan }: TopicFrames<A>) => {
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
      const incoming = protocol.parse(text)
      if (incoming._tag === "Data") cache.learn(incoming.topic, text, span)
      take(incoming)
    }
  }
  const parseText = protocol.frames === undefined ? parse : readText(protocol.frames)

  const understand = (messages: ReadonlyArray<Message>, at: number) => {
    for (const message of messages) {
      if (typeof message === "string") parseText(message)
      else parse(message)
    }
    hear(at)
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
