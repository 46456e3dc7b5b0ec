/**
 * How Meridian is spoken to. Requests carry a number, `{"op":"join","channels":["trades:BTC-USD"],"req":7}`, and so do the
 * answers to them, `{"op":"ack","req":7}`. Data are lists, `["trades:BTC-USD",12,{…}]`: the channel, how many frames of it came
 * before on this connection, and the payload.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { SessionProtocol, Transport } from "holdfast"

/** Meridian closes the connection in so many seconds. */
export interface Farewell {
  readonly in: number
}

const Item = Schema.parseJson(Schema.Union(
  Schema.Tuple(Schema.String, Schema.Int, Schema.Unknown),
  Schema.Struct({ op: Schema.Literal("ack"), req: Schema.Int }),
  Schema.Struct({ op: Schema.Literal("nak"), req: Schema.Int, why: Schema.String }),
  Schema.Struct({ op: Schema.Literal("bye"), in: Schema.Number })
))

const decode = Schema.decodeUnknownEither(Item)

/** What a message means: a payload comes parsed. */
export const read = (message: Transport.Message): SessionProtocol.ServerMessage<unknown, Farewell> => {
  const decoded = decode(message)
  if (Either.isLeft(decoded)) {
    return { _tag: "Invalid", reason: "it is no frame of Meridian's", excerpt: String(message).slice(0, 120) }
  }
  const frame = decoded.right
  if (!("op" in frame)) return { _tag: "Data", topic: frame[0], data: frame[2] }
  switch (frame.op) {
    case "ack":
      return { _tag: "Acknowledged", id: frame.req }
    case "nak":
      return { _tag: "Refused", id: frame.req, reason: frame.why }
    case "bye":
      return { _tag: "Notice", notice: { in: frame.in } }
  }
}

const request = (op: string) => (channels: ReadonlyArray<string>, req: number) => JSON.stringify({ op, channels, req })

/** The protocol. The data of a channel are its messages, as they came: decoders read them. */
export const make = (
  cadence: (channel: string) => SessionProtocol.Cadence
): SessionProtocol.SessionProtocol<Transport.Message, Farewell> => ({
  subscribe: request("join"),
  unsubscribe: request("leave"),
  probe: (req) => JSON.stringify({ op: "echo", req }),
  parse: (message) => {
    const incoming = read(message)
    return incoming._tag === "Data" ? { ...incoming, data: message } : incoming
  },
  maxBatch: 20,
  pace: { limit: 8, window: "1 second" },
  cadence
})
