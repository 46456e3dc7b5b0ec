// Parses messages, gives each topic's listeners its data, and passes answers and notices on.
import type * as Item from "../../Item.ts"
import type { Listener } from "../../Session.ts"
import { SessionDefect } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { ServerMessage, SessionProtocol, TopicText } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import * as Inbox from "../connection/inbox.ts"
import { excerpt } from "../json/excerpt.ts"
import type { Redactor } from "../transport/redactor.ts"
import type { Answered } from "./answers.ts"
import { naming } from "./defect.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import { reasonOf } from "../reason.ts"
import { TopicCache } from "./topicCache.ts"

export interface Options<A, N> {
  readonly protocol: SessionProtocol<A, N>
  readonly redactor: Redactor
  readonly topics: Desired<A>["topics"]
  readonly now: () => number
  /** Monotonic time. */
  readonly moment: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  readonly onAnswer: (answer: Answered) => void
  /** Called when the peer has ended the subscription of a topic. */
  readonly onDropped: (topic: string, reason: string) => void
  /** Called when a topic has its first data since it was requested or became stale. */
  readonly onLive: (topic: string) => void
  readonly onNotice: ((notice: N) => void) | undefined
  /** Recognises the answer to a heartbeat. */
  readonly isAnswer: ((message: Message) => boolean) | undefined
  /** Called for the answer to a heartbeat. */
  readonly onHeartbeat: () => void
  /** Data may be missing between the messages before this call and those after it. */
  readonly onGap: (gap: Item.Gap) => void
}

export interface Dispatcher {
  readonly receive: (items: ReadonlyArray<Inbox.BareItem>) => void
  /** Delivers the data that has been read so far. */
  readonly flush: () => void
  /** The moment of the latest message or gap. Answers to heartbeats do not count. */
  readonly last: () => number
}

export const make = <A, N>(
  { isAnswer, moment, now, onAnswer, onDropped, onGap, onHeartbeat, onLive, onNotice, protocol, record, redactor, topics }: Options<A, N>
): Dispatcher => {
  let last = moment()

  // The topics that have data to deliver, and their batches at the same indexes. A topic's data is delivered at once; the
  // order between topics does not matter, except at a gap.
  let pendingTopics: Array<TopicEntry<A>> = []
  let pendingBatches: Array<Array<A>> = []

  const addToBatch = (entry: TopicEntry<A>, data: A) => {
    if (pendingTopics[entry.batchIndex] === entry) {
      pendingBatches[entry.batchIndex]?.push(data)
    } else {
      entry.batchIndex = pendingTopics.push(entry) - 1
      // An array literal has room for just one item. Few topics have more in one batch.
      pendingBatches.push([data])
    }
  }

  const give = (listener: Listener<A>, batch: ReadonlyArray<A>) => {
    try {
      listener.data(batch)
    } catch (cause) {
      throw new SessionDefect({ function: "data of a listener", cause })
    }
  }

  const deliver = (at: number) => {
    const ready = pendingTopics
    const batches = pendingBatches
    pendingTopics = []
    pendingBatches = []
    for (const [batchIndex, entry] of ready.entries()) {
      const batch = batches[batchIndex] ?? []
      if (entry.status !== "live") {
        entry.status = "live"
        entry.since = at
        record(SessionEvent.Live({ at: now(), topic: entry.topic }))
        onLive(entry.topic)
      }
      entry.tracker.observe(at)
      const { listeners } = entry
      for (const listener of listeners) {
        // A listener may make another one leave.
        if (listeners === entry.listeners || entry.listeners.includes(listener)) give(listener, batch)
      }
    }
  }

  const handle = (parsed: ServerMessage<A, N>) => {
    switch (parsed._tag) {
      case "Data": {
        const entry = topics.get(parsed.topic)
        if (entry !== undefined) addToBatch(entry, parsed.data)
        return
      }
      case "Acknowledged":
      case "Refused":
        onAnswer(parsed)
        return
      case "Dropped":
        onDropped(parsed.topic, parsed.reason)
        return
      case "Notice":
        if (onNotice !== undefined) naming("onNotice", () => {
          onNotice(parsed.notice)
        })
        return
      case "Invalid":
        record(SessionEvent.Invalid({ at: now(), reason: redactor.text(parsed.reason), excerpt: redactor.text(parsed.excerpt) }))
    }
  }

  // A bug in the protocol must not end the data of all topics.
  const threw = (name: string, message: Message, error: unknown) => {
    const said = redactor.text(reasonOf(error))
    const shown = typeof message === "string" ? redactor.text(excerpt(message)) : ""
    record(SessionEvent.Invalid({ at: now(), reason: `the protocol's ${name} threw: ${said}`, excerpt: shown }))
  }

  const parsed = (message: Message): ServerMessage<A, N> | undefined => {
    try {
      return protocol.parse(message)
    } catch (error) {
      threw("parse", message, error)
      return undefined
    }
  }

  const parse = (message: Message) => {
    const read = parsed(message)
    if (read !== undefined) handle(read)
  }

  const readText = ({ data, topicSpan }: TopicText<A>) => {
    const cache = new TopicCache<A>(topics)
    // The function that runs. Undefined while others do: what they throw is not the protocol's.
    let running: string | undefined
    // Returns false if only `parse` can read the text.
    const readTopic = (text: string): boolean => {
      running = "topicText.topicSpan"
      const span = topicSpan(text)
      if (span === undefined) return false
      const entry = cache.find(text, span)
      if (entry !== undefined) {
        running = "topicText.data"
        addToBatch(entry, data(text))
        return true
      }
      running = undefined
      const read = parsed(text)
      if (read === undefined) return true
      if (read._tag === "Data") cache.learn(read.topic, text, span)
      handle(read)
      return true
    }
    return (text: string) => {
      let isRead = true
      try {
        isRead = readTopic(text)
      } catch (error) {
        if (running === undefined) throw error
        threw(running, text, error)
      }
      if (!isRead) parse(text)
    }
  }
  const parseText = protocol.topicText === undefined ? parse : readText(protocol.topicText)

  const dispatch = (batch: ReadonlyArray<Message>, at: number) => {
    const messages = isAnswer === undefined ? batch : withoutAnswers(batch, isAnswer)
    if (messages.length > 0) last = at
    for (const message of messages) {
      if (typeof message === "string") parseText(message)
      else parse(message)
    }
    deliver(at)
  }

  const withoutAnswers = (messages: ReadonlyArray<Message>, answers: (message: Message) => boolean) =>
    messages.filter((message) => {
      try {
        if (!answers(message)) return true
      } catch (error) {
        threw("heartbeat.isAnswer", message, error)
        return true
      }
      onHeartbeat()
      return false
    })

  return {
    flush: () => {
      deliver(moment())
    },
    receive: (items) => {
      const at = moment()
      // Gaps are rare.
      if (items.every(Inbox.isMessage)) {
        dispatch(items, at)
        return
      }
      let messages: Array<Message> = []
      for (const item of items) {
        if (Inbox.isMessage(item)) {
          messages.push(item)
          continue
        }
        dispatch(messages, at)
        messages = []
        last = at
        onGap(item)
      }
      dispatch(messages, at)
    },
    last: () => last
  }
}
