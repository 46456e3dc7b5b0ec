/**
 * Meridian's session protocol. Requests have a number, `{"op":"join","channels":["trades:BTC-USD"],"req":7}`, and so have their
 * answers, `{"op":"ack","req":7}`. Data are lists, `["trades:BTC-USD",12,{…}]`: the channel, the number of its earlier messages on
 * this connection, and the payload.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { SessionProtocol, Transport } from "holdfast"

/** The notice that Meridian closes the connection in this many seconds. */
export interface Farewell {
  readonly in: number
}

const Content = Schema.parseJson(Schema.Union(
  Schema.Tuple(Schema.String, Schema.Int, Schema.Unknown),
  Schema.Struct({ op: Schema.Literal("ack"), req: Schema.Int }),
  Schema.Struct({ op: Schema.Literal("nak"), req: Schema.Int, why: Schema.String }),
  Schema.Struct({ op: Schema.Literal("bye"), in: Schema.Number })
))

const decode = Schema.decodeUnknownEither(Content)

/** Parses a message, and the payload of data. */
export const read = (message: Transport.Message): SessionProtocol.ServerMessage<unknown, Farewell> => {
  const decoded = decode(message)
  if (Either.isLeft(decoded)) {
    return { _tag: "Invalid", reason: "it is not a message of Meridian", excerpt: String(message).slice(0, 120) }
  }
  const content = decoded.right
  if (!("op" in content)) return { _tag: "Data", topic: content[0], data: content[2] }
  switch (content.op) {
    case "ack":
      return { _tag: "Acknowledged", id: content.req }
    case "nak":
      return { _tag: "Refused", id: content.req, reason: content.why }
    case "bye":
      return { _tag: "Notice", notice: { in: content.in } }
  }
}

const request = (op: string) => (channels: ReadonlyArray<string>, req: number) => JSON.stringify({ op, channels, req })

/** Makes the protocol. The data of a channel are its messages, not decoded. */
export const make = (
  cadence: (channel: string) => SessionProtocol.Cadence
): SessionProtocol.SessionProtocol<Transport.Message, Farewell> => ({
  subscribe: request("join"),
  unsubscribe: request("leave"),
  probe: (req) => JSON.stringify({ op: "echo", req }),
  parse: (message) => {
    const parsed = read(message)
    return parsed._tag === "Data" ? { ...parsed, data: message } : parsed
  },
  maxBatch: 20,
  pace: { limit: 8, window: "1 second" },
  cadence
})
