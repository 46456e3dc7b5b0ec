// The frames of a combined connection: `{"stream":"<topic>","data":<data>}`.
import type { Span } from "../../SessionProtocol.ts"

const head = `{"stream":"`
const neck = `","data":`

/** How a frame of a topic begins, up to its data, as venues write it. */
export const startOf = (topic: string): string => `{"stream":${JSON.stringify(topic)},"data":`

/** Where the name of the topic stands, in a frame as venues write it. */
export const topicSpan = (text: string): Span | undefined => {
  const end = text.startsWith(head) ? text.indexOf(neck, head.length) : -1
  return end === -1 ? undefined : { start: head.length, end }
}
