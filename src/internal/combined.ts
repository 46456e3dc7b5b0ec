// Reads the frames of a combined connection, `{"stream":"<topic>","data":<data>}`, many at once: the topic is known by
// how a frame begins, and the data of frames that follow each other is parsed together.
import type { Incoming } from "../Session.ts"
import type { Message } from "../Transport.ts"
import { parseBatch } from "./parseBatch.ts"

const head = `{"stream":"`
const neck = `","data":`

// Far more than one connection has; beyond it they are learned anew.
const topicsKept = 16_384

const brace = 0x7D

// Longer frames gain little, and may be nested too deeply: they are read whole.
const longest = 1_000

// More at once gain nothing (measured: 16 to 64 cost the same).
const most = 32

// Frames of one topic that follow each other.
interface Run {
  readonly topic: string
  readonly from: number
}

/** Reads many messages as `parse` reads each. */
export const make = <N>(parse: (message: Message) => Incoming<unknown, N>) => {
  // Topics by the beginnings of their frames, up to the data. Such a beginning, a value and a brace are a whole object,
  // whatever the value is; so a value cut out of a frame is its data, or it does not parse, being no value by itself.
  let topics = new Map<string, string>()
  const learn = (start: string): string | undefined => {
    const incoming = parse(`${start}0}`)
    if (incoming._tag !== "Data") return undefined
    if (topics.size === topicsKept) topics = new Map()
    topics.set(start, incoming.topic)
    return incoming.topic
  }

  return (
    messages: ReadonlyArray<Message>,
    take: (incoming: Incoming<unknown, N>) => void,
    hear: (topic: string, data: ReadonlyArray<unknown>) => void
  ): void => {
    // Of the frame before: the next one often begins alike.
    let start = ""
    let topic: string | undefined
    // The frames before the one at hand whose data is still to be parsed, and which of them begin another topic's.
    let texts: Array<string> = []
    let runs: Array<Run> = []
    const flush = (end: number) => {
      if (texts.length === 0) return
      const first = end - texts.length
      const parsed = parseBatch(texts)
      for (let r = 0; r < runs.length; r++) {
        const from = runs[r]?.from ?? 0
        const to = runs[r + 1]?.from ?? parsed.length
        const topicOf = runs[r]?.topic ?? ""
        const data = from === 0 && to === parsed.length ? parsed : parsed.slice(from, to)
        if (!data.includes(undefined)) {
          hear(topicOf, data)
          continue
        }
        // What cannot be parsed is told apart by its whole frame.
        for (let i = from; i < to; i++) {
          if (parsed[i] === undefined) take(parse(messages[first + i] ?? ""))
          else hear(topicOf, [parsed[i]])
        }
      }
      texts = []
      runs = []
    }
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] ?? ""
      if (typeof message === "string" && message.length <= longest && message.charCodeAt(message.length - 1) === brace) {
        const before = topic
        if (topic === undefined || !message.startsWith(start)) {
          const end = message.startsWith(head) ? message.indexOf(neck, head.length) : -1
          start = end === -1 ? "" : message.slice(0, end + neck.length)
          topic = end === -1 ? undefined : topics.get(start) ?? learn(start)
        }
        if (topic !== undefined) {
          if (topic !== before || texts.length === 0) runs.push({ topic, from: texts.length })
          if (texts.push(message.slice(start.length, -1)) === most) flush(i + 1)
          continue
        }
      }
      flush(i)
      take(parse(message))
    }
    flush(messages.length)
  }
}
