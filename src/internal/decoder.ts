// From the frames of a stream to its events: at first each is parsed and checked, and later, as a rule, read by its shape.
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { parse } from "../binance/Protocol.ts"
import * as StreamKind from "../binance/StreamKind.ts"
import type { Message } from "../Transport.ts"
import * as Combined from "./combined.ts"
import { excerpt } from "./excerpt.ts"
import * as Shape from "./shape.ts"
import * as Validator from "./validator.ts"

/** What is wrong with a frame, and its beginning. */
interface Wrong {
  readonly reason: string
  readonly excerpt: string
}

export interface Options<Type extends string, A, I, E> {
  readonly type: Type
  readonly schema: Schema.Schema<A, I>
  /** Whether the type is known here: then what comes of a symbol must be about that symbol. */
  readonly isKnown: boolean
  readonly asError: (wrong: Wrong) => E
}

const tooDeep = "it is nested too deeply to be written out"
const reasonLength = 250

const inWords = (text: () => string, length?: number): string => {
  try {
    return excerpt(text(), length)
  } catch {
    // Both what is wrong and what came are written out by recursion.
    return tooDeep
  }
}

const invalid = (data: unknown, reason: () => string): Wrong => ({
  reason: inWords(reason, reasonLength),
  excerpt: inWords(() => JSON.stringify(data ?? null))
})

const orInvalid = (data: unknown, reason: (() => string) | undefined) =>
  reason === undefined ? undefined : invalid(data, reason)

const last = (error: ParseError) => error.message.split("\n").at(-1)?.replace(/^[\s│└├─]+/, "") ?? ""

// A `MarketEvent` that came over a socket. It is made by `new`, since V8 comes to take a literal whose objects outlive their
// turn in the beginning for one whose objects live long, and from then on even the shortest-lived of them is collected
// with the old ones, and whatever it holds with it (measured: a quarter of the cost of a trade).
class Arrived<Data extends object, Type extends string> {
  readonly source: "binance"
  readonly symbol: string
  readonly type: Type
  readonly data: Data
  readonly timestamp: number
  readonly via: "ws" | "rest"
  constructor(symbol: string, type: Type, data: Data, timestamp: number) {
    this.source = "binance"
    this.symbol = symbol
    this.type = type
    this.data = data
    this.timestamp = timestamp
    this.via = "ws"
  }
}

/**
 * Decoders of a type, one for each stream: what one learns, all know. What is parsed passes as it is: nothing is copied, so
 * that fields which nobody knows of cannot do harm by their names.
 */
export const make = <const Type extends string, A extends object, I, E>(
  { asError, isKnown, schema, type }: Options<Type, A, I, E>
) => {
  const isData = Validator.is(schema)
  const shapes = Shape.make(schema)
  const explain = Schema.decodeUnknownEither(schema)
  return (stream: string) => {
    const { symbol } = StreamKind.parse(stream)
    const isOfOne = isKnown && symbol !== ""
    const start = Combined.startOf(stream)

    // Puts an event behind those that are there, or says what is wrong.
    const put = (events: Array<Arrived<A, Type>>, item: A, receivedAt: number): (() => string) | undefined => {
      const s = "s" in item ? item.s : undefined
      const E = "E" in item ? item.E : undefined
      // Of what is not known here, these may be anything.
      const isNamed = (s === undefined || typeof s === "string") && (E === undefined || typeof E === "number")
      if (isOfOne && isNamed && s !== undefined && s !== symbol) return () => `it is about ${s}`
      events.push(new Arrived(
        isNamed && s !== undefined ? s : symbol,
        type,
        item,
        isNamed && E !== undefined ? E : receivedAt
      ))
      return undefined
    }

    const putOne = (events: Array<Arrived<A, Type>>, item: unknown, receivedAt: number) =>
      isData(item)
        ? put(events, item, receivedAt)
        : () => Either.match(explain(item), { onLeft: last, onRight: () => "it is something else" })

    // Puts the events behind those that are there, or says what is wrong and puts none.
    const putAll = (events: Array<Arrived<A, Type>>, data: unknown, receivedAt: number): Wrong | undefined => {
      if (!Array.isArray(data)) return orInvalid(data, putOne(events, data, receivedAt))
      if (isOfOne) return invalid(data, () => "one event is due, and not a list")
      const before = events.length
      for (const item of data) {
        const reason = putOne(events, item, receivedAt)
        if (reason === undefined) continue
        events.length = before
        return invalid(data, reason)
      }
      return undefined
    }

    const putFrame = (events: Array<Arrived<A, Type>>, frame: Message, receivedAt: number): Wrong | undefined => {
      const incoming = parse(frame)
      if (incoming._tag === "Invalid") return incoming
      if (incoming._tag !== "Data" || incoming.topic !== stream) return invalid(incoming, () => "it is not about its stream")
      const wrong = putAll(events, incoming.data, receivedAt)
      const event = events.at(-1)
      if (event !== undefined && event.data === incoming.data) shapes.learn(frame, event.data)
      return wrong
    }

    const decode = (data: unknown, receivedAt: number): Either.Either<ReadonlyArray<Arrived<A, Type>>, E> => {
      const events: Array<Arrived<A, Type>> = []
      const wrong = putAll(events, data, receivedAt)
      return wrong === undefined ? Either.right(events) : Either.left(asError(wrong))
    }
    const all = (frames: ReadonlyArray<Message>, receivedAt: number, onInvalid: (error: E) => void) => {
      const events: Array<Arrived<A, Type>> = []
      for (const frame of frames) {
        const item = shapes.read(frame, start)
        const wrong = item === undefined
          ? putFrame(events, frame, receivedAt)
          : orInvalid(item, put(events, item, receivedAt))
        if (wrong !== undefined) onInvalid(asError(wrong))
      }
      return events
    }
    return Object.assign(decode, { all })
  }
}
