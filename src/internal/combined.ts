// Tells the frames of a combined connection apart, `{"stream":"<topic>","data":<data>}`, without reading their data: a
// topic is known by how its frames begin.
import type { Incoming } from "../Session.ts"
import type { Message } from "../Transport.ts"

const head = `{"stream":"`
const neck = `","data":`
const quote = 0x22

/** How a frame of a topic begins, up to its data, as venues write it. */
export const startOf = (topic: string): string => `{"stream":${JSON.stringify(topic)},"data":`

// Far more than one connection has; beyond it they are learned anew.
const topicsKept = 16_384
// Far longer than any beginning is.
const longest = 512

interface Arrivals {
  readonly topic: string
  /** How its frames begin. */
  readonly start: string
  /**
   * Where its frames are among those that came at once, if any did. The frames themselves are kept elsewhere: what is young
   * and held by what is old, the collector has to look for.
   */
  place: number
}

// Tells the topics of frames apart, nearly always: which one it is, the beginning of the frame says.
const hashOf = (text: string): number => {
  let hash = 0
  for (let i = head.length; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) break
    hash = (hash * 31 + code) | 0
  }
  return hash
}

/** Reads many messages: those that begin as frames of a topic do are the topic's, and `parse` reads the others. */
export const make = <A, N>(parse: (message: Message) => Incoming<A, N>) => {
  // By the beginnings of their frames.
  let topics = new Map<string, Arrivals>()
  // The same by their hashes, where no two share one: the beginning of a frame is cut out of it only for those that do.
  let hashed = new Map<number, Arrivals>()
  const learn = (start: string): Arrivals | undefined => {
    if (start.length > longest) return undefined
    // Such a beginning, a value and a brace are a whole object, whatever the value is.
    const incoming = parse(`${start}0}`)
    // A beginning that was cut out of a frame would keep the frame in memory.
    const own = incoming._tag === "Data" ? startOf(incoming.topic) : undefined
    if (incoming._tag !== "Data" || own === undefined || own !== start) return undefined
    if (topics.size === topicsKept) {
      topics = new Map()
      hashed = new Map()
    }
    const arrivals: Arrivals = { topic: incoming.topic, start: own, place: 0 }
    topics.set(own, arrivals)
    hashed.set(hashOf(own), arrivals)
    return arrivals
  }

  const arrivalsOf = (text: string): Arrivals | undefined => {
    const likely = hashed.get(hashOf(text))
    if (likely !== undefined && text.startsWith(likely.start)) return likely
    const end = text.startsWith(head) ? text.indexOf(neck, head.length) : -1
    if (end === -1) return undefined
    const start = text.slice(0, end + neck.length)
    return topics.get(start) ?? learn(start)
  }

  return (
    messages: ReadonlyArray<Message>,
    take: (incoming: Incoming<A, N>) => void,
    hear: (topic: string, frames: ReadonlyArray<Message>) => boolean
  ): void => {
    let arrived: Array<Arrivals> = []
    let frames: Array<Array<Message>> = []
    const flush = () => {
      for (const [place, { topic }] of arrived.entries()) {
        const its = frames[place] ?? []
        // What is wrong with one of them is told in any case.
        if (!hear(topic, its)) for (const frame of its) take(parse(frame))
      }
      arrived = []
      frames = []
    }
    // Of the frame before: the next one often begins alike.
    let arrivals: Arrivals | undefined
    for (const message of messages) {
      const text = typeof message === "string" ? message : ""
      if (arrivals === undefined || !text.startsWith(arrivals.start)) arrivals = arrivalsOf(text)
      if (arrivals === undefined) {
        // It may be of a topic as well.
        flush()
        take(parse(message))
      } else if (arrived[arrivals.place] === arrivals) {
        frames[arrivals.place]?.push(message)
      } else {
        arrivals.place = arrived.push(arrivals) - 1
        // With room for one: of a thousand topics, hardly any has more at once.
        frames.push([message])
      }
    }
    flush()
  }
}
