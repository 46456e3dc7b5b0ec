/**
 * Binance's session protocol: combined messages, SUBSCRIBE and UNSUBSCRIBE requests, and their answers.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { excerpt } from "../internal/json/excerpt.ts"
import * as Json from "../market/Json.ts"
import type { ServerMessage, SessionProtocol } from "../SessionProtocol.ts"
import type { Message } from "../Transport.ts"
import { topicSpan } from "./internal/combined.ts"
import * as StreamKind from "./StreamKind.ts"

/**
 * The notice that Binance will close this connection soon (Binance docs, `serverShutdown`).
 *
 * @since 0.1.0
 * @category models
 */
export type Notice = "serverShutdown"

const reasonLength = 250

const refusal = (answer: Readonly<Record<string, unknown>>) => {
  // Binance sends the code and the text at the top level, or within `error`.
  const error = Predicate.isReadonlyRecord(answer.error) ? answer.error : answer
  return typeof error.msg === "string" ? excerpt(error.msg, reasonLength) : undefined
}

/**
 * Parses a message of a combined connection.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import { Protocol } from "holdfast/binance"
 *
 * console.log(Protocol.parse(`{"result":null,"id":1}`)) // { _tag: "Acknowledged", id: 1 }
 * ```
 */
export const parse: SessionProtocol<unknown, Notice>["parse"] = (message) => Either.match(Json.parse(message), {
  onLeft: identity,
  onRight: (json) => messageOf(json) ?? Json.invalid(message, "it is not a combined event")
})

const messageOf = (json: unknown): ServerMessage<unknown, Notice> | undefined => {
  if (!Predicate.isReadonlyRecord(json)) return undefined
  if (typeof json.stream === "string" && "data" in json) {
    return json.stream === "!serverShutdown"
      ? { _tag: "Notice", notice: "serverShutdown" }
      : { _tag: "Data", topic: json.stream, data: json.data }
  }
  if (json.e === "serverShutdown") return { _tag: "Notice", notice: "serverShutdown" }
  const id = typeof json.id === "number" ? json.id : undefined
  const reason = refusal(json)
  if (reason !== undefined) return { _tag: "Refused", id, reason }
  if ("result" in json && id !== undefined) return { _tag: "Acknowledged", id }
  return undefined
}

const request = (method: string) => (params: ReadonlyArray<string>, id: number) => JSON.stringify({ method, params, id })

// The listeners of a topic decode its messages.
const parseTopic: SessionProtocol<Message, Notice>["parse"] = (message) => {
  const parsed = parse(message)
  return parsed._tag === "Data" ? { ...parsed, data: message } : parsed
}

/**
 * Makes the protocol. The data of a topic is its messages, not decoded: a {@link MarketEvent.Decoder} decodes them.
 *
 * `messagesPerSecond` is the venue's limit. The session sends two requests a second fewer, but at least one. This leaves a
 * reserve for pings and pongs, and for a network that delivers messages in bunches.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (messagesPerSecond: number): SessionProtocol<Message, Notice> => ({
  subscribe: request("SUBSCRIBE"),
  unsubscribe: request("UNSUBSCRIBE"),
  probe: (id) => JSON.stringify({ method: "LIST_SUBSCRIPTIONS", id }),
  parse: parseTopic,
  topicText: { topicSpan, data: (text) => text },
  maxBatch: 200,
  pace: { limit: Math.max(1, messagesPerSecond - 2), window: "1 second" },
  cadence: (stream) => StreamKind.parse(stream).kind.cadence
})
