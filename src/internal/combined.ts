// Tells the frames of a combined connection apart, `{"stream":"<topic>","data":<data>}`, without reading their data: a
// topic is known by how its frames begin.
import type { Incoming } from "../Session.ts"
import type { Message } from "../Transport.ts"

const head = `{"stream":"`
const neck = `","data":`

/** How a frame of a topic begins, up to its data, as venues write it. */
export const startOf = (topic: string): string => `{"stream":${JSON.stringify(topic)},"data":`

// Far more than one connection has; beyond it they are learned anew.
const topicsKept = 16_384
// Far longer than any beginning is.
const longest = 512

/** Reads many messages: those that begin as frames of a topic do are the topic's, and `parse` reads the others. */
export const make = <A, N>(parse: (message: Message) => Incoming<A, N>) => {
  // Topics by the beginnings of their frames.
  let topics = new Map<string, string>()
  const learn = (start: string): string | undefined => {
    if (start.length > longest) return undefined
    // Such a beginning, a value and a brace are a whole object, whatever the value is.
    const incoming = parse(`${start}0}`)
    // A beginning that was cut out of a frame would keep the frame in memory.
    const own = incoming._tag === "Data" ? startOf(incoming.topic) : undefined
    if (incoming._tag !== "Data" || own === undefined || own !== start) return undefined
    if (topics.size === topicsKept) topics = new Map()
    topics.set(own, incoming.topic)
    return incoming.topic
  }

  return (
    messages: ReadonlyArray<Message>,
    take: (incoming: Incoming<A, N>) => void,
    hear: (topic: string, frames: ReadonlyArray<Message>) => boolean
  ): void => {
    // Of the frame before: the next one often begins alike.
    let start = ""
    let topic: string | undefined
    // Where the frames of this topic began.
    let from = 0
    const flush = (end: number) => {
      if (topic === undefined || end === from) return
      const frames = end - from === messages.length ? messages : messages.slice(from, end)
      // What is wrong with one of them is told in any case.
      if (!hear(topic, frames)) for (const frame of frames) take(parse(frame))
    }
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] ?? ""
      const text = typeof message === "string" ? message : ""
      if (topic !== undefined && text.startsWith(start)) continue
      flush(i)
      from = i
      const end = text.startsWith(head) ? text.indexOf(neck, head.length) : -1
      start = end === -1 ? "" : text.slice(0, end + neck.length)
      topic = end === -1 ? undefined : topics.get(start) ?? learn(start)
      if (topic === undefined) take(parse(message))
    }
    flush(messages.length)
  }
}
