// From the frames of a stream to its events: at first each is parsed and checked, and later, as a rule, read by its shape.
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { parse } from "../Protocol.ts"
import * as StreamKind from "../StreamKind.ts"
import type { Message } from "../../Transport.ts"
import * as Combined from "./combined.ts"
import { excerpt } from "../../internal/json/excerpt.ts"
import * as Shape from "../../internal/json/compiledReader.ts"
import * as Validator from "../../internal/json/validator.ts"

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

/** What the decoders of a type have in common: what one of them learns, all know. */
class Kind<Type extends string, A extends object, I, E> {
  readonly type: Type
  readonly isKnown: boolean
  readonly asError: (wrong: Wrong) => E
  readonly isData: (data: unknown) => data is A
  readonly shapes: Shape.Shapes<A>
  readonly explain: (data: unknown) => Either.Either<A, ParseError>
  constructor({ asError, isKnown, schema, type }: Options<Type, A, I, E>) {
    this.type = type
    this.isKnown = isKnown
    this.asError = asError
    this.isData = Validator.is(schema)
    this.shapes = Shape.make(schema)
    this.explain = Schema.decodeUnknownEither(schema)
  }
}

/**
 * The decoder of one stream. What is parsed passes as it is: nothing is copied, so that fields which nobody knows of
 * cannot do harm by their names.
 */
export class Decoder<Type extends string, A extends object, I, E> {
  readonly #kind: Kind<Type, A, I, E>
  readonly #stream: string
  readonly #symbol: string
  readonly #isOfOne: boolean
  // How its frames begin.
  readonly #start: string

  constructor(kind: Kind<Type, A, I, E>, stream: string) {
    this.#kind = kind
    this.#stream = stream
    this.#symbol = StreamKind.parse(stream).symbol
    this.#isOfOne = kind.isKnown && this.#symbol !== ""
    this.#start = Combined.startOf(stream)
  }

  decode(data: unknown, receivedAt: number): Either.Either<ReadonlyArray<Arrived<A, Type>>, E> {
    const events: Array<Arrived<A, Type>> = []
    const wrong = this.#putAll(events, data, receivedAt)
    return wrong === undefined ? Either.right(events) : Either.left(this.#kind.asError(wrong))
  }

  all(frames: ReadonlyArray<Message>, receivedAt: number, onInvalid: (error: E) => void): ReadonlyArray<Arrived<A, Type>> {
    let events: Array<Arrived<A, Type>> | undefined
    for (const frame of frames) {
      const item = this.#kind.shapes.read(frame, this.#start)
      const event = item === undefined ? undefined : this.#eventOf(item, receivedAt)
      if (event instanceof Arrived) {
        // With room for one: of a thousand streams, hardly any has more at once.
        if (events === undefined) events = [event]
        else events.push(event)
        continue
      }
      const wrong = event === undefined ? this.#putFrame(events ??= [], frame, receivedAt) : invalid(item, event)
      if (wrong !== undefined) onInvalid(this.#kind.asError(wrong))
    }
    return events ?? []
  }

  // The event, or what is wrong with it.
  #eventOf(item: A, receivedAt: number): Arrived<A, Type> | (() => string) {
    // A liquidation tells its symbol with its order.
    const s = "s" in item ? item.s : "o" in item && Predicate.hasProperty(item.o, "s") ? item.o.s : undefined
    const E = "E" in item ? item.E : undefined
    // Of what is not known here, these may be anything.
    const isNamed = (s === undefined || typeof s === "string") && (E === undefined || typeof E === "number")
    if (this.#isOfOne && isNamed && s !== undefined && s !== this.#symbol) return () => `it is about ${s}`
    return new Arrived(
      isNamed && s !== undefined ? s : this.#symbol,
      this.#kind.type,
      item,
      isNamed && E !== undefined ? E : receivedAt
    )
  }

  // Puts an event behind those that are there, or says what is wrong.
  #putOne(events: Array<Arrived<A, Type>>, item: unknown, receivedAt: number): (() => string) | undefined {
    if (!this.#kind.isData(item)) {
      return () => Either.match(this.#kind.explain(item), { onLeft: last, onRight: () => "it is something else" })
    }
    const event = this.#eventOf(item, receivedAt)
    if (!(event instanceof Arrived)) return event
    events.push(event)
    return undefined
  }

  // Puts the events behind those that are there, or says what is wrong and puts none.
  #putAll(events: Array<Arrived<A, Type>>, data: unknown, receivedAt: number): Wrong | undefined {
    if (!Array.isArray(data)) return orInvalid(data, this.#putOne(events, data, receivedAt))
    if (this.#isOfOne) return invalid(data, () => "one event is due, and not a list")
    const before = events.length
    for (const item of data) {
      const reason = this.#putOne(events, item, receivedAt)
      if (reason === undefined) continue
      events.length = before
      return invalid(data, reason)
    }
    return undefined
  }

  #putFrame(events: Array<Arrived<A, Type>>, frame: Message, receivedAt: number): Wrong | undefined {
    const incoming = parse(frame)
    if (incoming._tag === "Invalid") return incoming
    if (incoming._tag !== "Data" || incoming.topic !== this.#stream) return invalid(incoming, () => "it is not about its stream")
    const wrong = this.#putAll(events, incoming.data, receivedAt)
    const event = events.at(-1)
    if (event !== undefined && event.data === incoming.data) this.#kind.shapes.learn(frame, event.data)
    return wrong
  }
}

/** Makes the decoders of a type, one for each stream. */
export const make = <const Type extends string, A extends object, I, E>(options: Options<Type, A, I, E>) => {
  const kind = new Kind(options)
  return (stream: string): Decoder<Type, A, I, E> => new Decoder(kind, stream)
}
