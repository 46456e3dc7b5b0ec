// The messages of a combined connection: `{"stream":"<topic>","data":<data>}`.
import type { Span } from "../../SessionProtocol.ts"

const head = `{"stream":"`
const neck = `","data":`

/** The text of a topic's message up to its data, as Binance writes it. */
export const startOf = (topic: string): string => `{"stream":${JSON.stringify(topic)},"data":`

/** Finds the name of the topic in a message, if Binance wrote it in its usual form. */
export const topicSpan = (text: string): Span | undefined => {
  const end = text.startsWith(head) ? text.indexOf(neck, head.length) : -1
  return end === -1 ? undefined : { start: head.length, end }
}
