// Tells the frames of a combined connection apart, `{"stream":"<topic>","data":<data>}`, without reading their data: a
// topic is known by how its frames begin.
import type { Incoming, Reading, Wanted } from "../../Session.ts"
import type { Message } from "../../Transport.ts"

const head = `{"stream":"`
const neck = `","data":`
const quote = 0x22

/** How a frame of a topic begins, up to its data, as venues write it. */
export const startOf = (topic: string): string => `{"stream":${JSON.stringify(topic)},"data":`

// Far more than one connection has; beyond it they are learned anew.
const topicsKept = 16_384
// Far longer than any beginning is.
const longest = 512

interface Known<Topic> {
  readonly name: string
  /** How its frames begin. */
  readonly start: string
  /** Who hears it, as long as that is wanted: among thousands, to look it up takes as long as all else here (measured). */
  topic: Topic | undefined
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

/** Reads messages: those that begin as frames of a topic do are the topic's, and `parse` reads the others. */
export const make = <N>(parse: (message: Message) => Incoming<Message, N>) =>
<Topic extends Wanted>({ find, hear, take }: Reading<Message, N, Topic>): (message: Message) => void => {
  // By the beginnings of their frames.
  let topics = new Map<string, Known<Topic>>()
  // The same by their hashes, where no two share one: the beginning of a frame is cut out of it only for those that do.
  let hashed = new Map<number, Known<Topic>>()
  const learn = (start: string): Known<Topic> | undefined => {
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
    const known: Known<Topic> = { name: incoming.topic, start: own, topic: undefined }
    topics.set(own, known)
    hashed.set(hashOf(own), known)
    return known
  }

  const knownOf = (text: string): Known<Topic> | undefined => {
    const likely = hashed.get(hashOf(text))
    if (likely !== undefined && text.startsWith(likely.start)) return likely
    const end = text.startsWith(head) ? text.indexOf(neck, head.length) : -1
    if (end === -1) return undefined
    const start = text.slice(0, end + neck.length)
    return topics.get(start) ?? learn(start)
  }

  // Of the frame before: the next one often begins alike.
  let latest: Known<Topic> | undefined
  return (message) => {
    const text = typeof message === "string" ? message : ""
    if (latest === undefined || !text.startsWith(latest.start)) latest = knownOf(text)
    if (latest !== undefined && latest.topic?.isWanted !== true) latest.topic = find(latest.name)
    // Of what nobody wants, too, it is told what is wrong with it.
    if (latest?.topic === undefined) take(parse(message))
    else hear(latest.topic, message)
  }
}
