// What arrives, and who hears it.
import type * as Frame from "../../Frame.ts"
import type * as Session from "../../Session.ts"
import { SessionEvent } from "../../Session.ts"
import type { Message } from "../../Transport.ts"
import * as Inbox from "../connection/inbox.ts"
import type { Entry, Wanted } from "./desired.ts"

export interface Options<A, N> {
  readonly protocol: Session.Protocol<A, N>
  readonly topics: Wanted<A>["topics"]
  readonly now: () => number
  readonly record: (event: Session.SessionEvent) => void
  readonly onAnswer: (answer: Extract<Session.Incoming<A, N>, { readonly _tag: "Acknowledged" | "Refused" }>) => void
  readonly onNotice: ((notice: N) => void) | undefined
  /** Something may be missing from here on. */
  readonly onGap: (gap: Frame.Gap) => void
}

export interface Hearing {
  readonly receive: (entries: ReadonlyArray<Inbox.Entry>) => void
  /** When something came last. */
  readonly last: () => number
}

export const make = <A, N>({ now, onAnswer, onGap, onNotice, protocol, record, topics }: Options<A, N>): Hearing => {
  let last = now()

  // What came at once for a topic is heard at once. Between two gaps, the order of different topics says nothing.
  let fresh: Array<Entry<A>> = []
  let batches: Array<Array<A>> = []
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

  const keep = (entry: Entry<A>, data: A) => {
    if (fresh[entry.place] === entry) {
      batches[entry.place]?.push(data)
    } else {
      entry.place = fresh.push(entry) - 1
      // With room for one: of a thousand topics, hardly any has more at once.
      batches.push([data])
    }
  }

  const find = (topic: string) => topics.get(topic)

  const take = (incoming: Session.Incoming<A, N>) => {
    switch (incoming._tag) {
      case "Data": {
        const entry = find(incoming.topic)
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

  const read = protocol.reader?.({ find, hear: keep, take }) ?? ((message: Message) => {
    take(protocol.parse(message))
  })

  const understand = (messages: ReadonlyArray<Message>, at: number) => {
    for (const message of messages) read(message)
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
