// Decodes the messages of a stream. It parses and checks the first ones, and reads most of the later ones by their shape.
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Options } from "../../market/Decoder.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import type { Message } from "../../Transport.ts"
import { excerpt } from "../json/excerpt.ts"
import * as Shape from "../json/compiledReader.ts"
import * as Validator from "../json/validator.ts"

/** The reason why a message is invalid, and its beginning. */
interface Wrong {
  readonly reason: string
  readonly excerpt: string
}

const tooDeep = "it is nested too deeply to be written out"
const reasonLength = 250

const describe = (text: () => string, length?: number): string => {
  try {
    return excerpt(text(), length)
  } catch {
    // Both texts are made by recursion, and the data may be nested too deeply for that.
    return tooDeep
  }
}

const invalid = (data: unknown, reason: () => string): Wrong => ({
  reason: describe(reason, reasonLength),
  excerpt: describe(() => JSON.stringify(data ?? null))
})

const orInvalid = (data: unknown, reason: (() => string) | undefined) =>
  reason === undefined ? undefined : invalid(data, reason)

const last = (error: ParseError) => error.message.split("\n").at(-1)?.replace(/^[\s│└├─]+/, "") ?? ""

// An event that came over a socket. It is made by `new`, not by a literal: if the first objects of a literal live long, V8
// allocates all later ones among the old objects too. Then even short-lived events, and all that they hold, are collected with
// the old ones (measured: a quarter of the cost of a trade).
class Arrived<Data extends object, Type extends string> implements MarketEvent<Data, Type> {
  readonly source: string
  readonly symbol: string
  readonly type: Type
  readonly data: Data
  readonly timestamp: number
  readonly via: "ws" | "rest"
  constructor(source: string, symbol: string, type: Type, data: Data, timestamp: number) {
    this.source = source
    this.symbol = symbol
    this.type = type
    this.data = data
    this.timestamp = timestamp
    this.via = "ws"
  }
}

// The part that the decoders of a kind share. All of them use what one has learned.
class Kind<Type extends string, A extends object, I, E> {
  readonly source: string
  readonly type: Type
  readonly options: Options<Type, A, I>
  readonly asError: (wrong: Wrong) => E
  readonly symbolOf: (data: A) => string | undefined
  readonly timeOf: (data: A) => number | undefined
  readonly isData: (data: unknown) => data is A
  readonly shapes: Shape.Shapes<A>
  readonly explain: (data: unknown) => Either.Either<A, ParseError>
  constructor(options: Options<Type, A, I>, asError: (wrong: Wrong) => E) {
    const { envelope, schema, source, symbolOf, timeOf, type } = options
    this.source = source
    this.type = type
    this.options = options
    this.asError = asError
    this.symbolOf = symbolOf
    this.timeOf = timeOf ?? (() => undefined)
    this.isData = Validator.is(schema)
    this.shapes = envelope === undefined ? Shape.none() : Shape.make(schema, envelope.end)
    this.explain = Schema.decodeUnknownEither(schema)
  }
}

// The decoder of one stream. It never copies parsed data, so a field with a name such as `__proto__` does no harm.
class Decoder<Type extends string, A extends object, I, E> {
  readonly #kind: Kind<Type, A, I, E>
  readonly #stream: string
  readonly #symbol: string
  readonly #isOfOneSymbol: boolean
  // Which other symbols its events may have.
  readonly #allows: ((symbol: string, ofStream: string) => boolean) | undefined
  readonly #hasLists: boolean
  // The text with which the messages of the stream begin.
  readonly #start: string

  constructor(kind: Kind<Type, A, I, E>, stream: string, symbol: string) {
    const { anySymbol = false, envelope, lists } = kind.options
    this.#kind = kind
    this.#stream = stream
    this.#symbol = symbol
    this.#isOfOneSymbol = symbol !== "" && anySymbol !== true
    this.#allows = typeof anySymbol === "function" ? anySymbol : undefined
    this.#hasLists = lists ?? symbol === ""
    this.#start = envelope === undefined ? "" : envelope.start(stream)
  }

  decode(data: unknown, receivedAt: number): Either.Either<ReadonlyArray<Arrived<A, Type>>, E> {
    const events: Array<Arrived<A, Type>> = []
    const wrong = this.#putAll(events, data, receivedAt)
    return wrong === undefined ? Either.right(events) : Either.left(this.#kind.asError(wrong))
  }

  all(messages: ReadonlyArray<Message>, receivedAt: number, onInvalid: (error: E) => void): ReadonlyArray<Arrived<A, Type>> {
    let events: Array<Arrived<A, Type>> | undefined
    for (const message of messages) {
      const item = this.#kind.shapes.read(message, this.#start)
      const event = item === undefined ? undefined : this.#eventOf(item, receivedAt)
      if (event instanceof Arrived) {
        // An array literal, since it has room for just one event: most batches have no more of one stream.
        if (events === undefined) events = [event]
        else events.push(event)
        continue
      }
      const wrong = event === undefined ? this.#putMessage(events ??= [], message, receivedAt) : invalid(item, event)
      if (wrong !== undefined) onInvalid(this.#kind.asError(wrong))
    }
    return events ?? []
  }

  // Returns the event, or a function that says why the data is invalid.
  #eventOf(item: A, receivedAt: number): Arrived<A, Type> | (() => string) {
    const { source, symbolOf, timeOf, type } = this.#kind
    const symbol = symbolOf(item)
    if (this.#isOfOneSymbol && symbol !== undefined && symbol !== this.#symbol && this.#allows?.(symbol, this.#symbol) !== true) {
      return () => `it is about ${symbol}`
    }
    return new Arrived(source, symbol ?? this.#symbol, type, item, timeOf(item) ?? receivedAt)
  }

  // Appends an event. Returns a function that says why the data is invalid, if it is.
  #putOne(events: Array<Arrived<A, Type>>, item: unknown, receivedAt: number): (() => string) | undefined {
    if (!this.#kind.isData(item)) {
      return () => Either.match(this.#kind.explain(item), { onLeft: last, onRight: () => "it does not conform to the schema" })
    }
    const event = this.#eventOf(item, receivedAt)
    if (!(event instanceof Arrived)) return event
    events.push(event)
    return undefined
  }

  // Appends all events of the data, or none if one is invalid; then it returns the reason.
  #putAll(events: Array<Arrived<A, Type>>, data: unknown, receivedAt: number): Wrong | undefined {
    if (!Array.isArray(data)) return orInvalid(data, this.#putOne(events, data, receivedAt))
    if (!this.#hasLists) return invalid(data, () => "it is a list, not one event")
    const before = events.length
    for (const item of data) {
      const reason = this.#putOne(events, item, receivedAt)
      if (reason === undefined) continue
      events.length = before
      return invalid(data, reason)
    }
    return undefined
  }

  #putMessage(events: Array<Arrived<A, Type>>, message: Message, receivedAt: number): Wrong | undefined {
    const parsed = this.#kind.options.parse(message)
    if (parsed._tag === "Invalid") return parsed
    if (parsed._tag !== "Data" || parsed.topic !== this.#stream) return invalid(parsed, () => "it is not data of its stream")
    const wrong = this.#putAll(events, parsed.data, receivedAt)
    const event = events.at(-1)
    if (event !== undefined && event.data === parsed.data) this.#kind.shapes.learn(message, this.#start, event.data)
    return wrong
  }
}

/** Returns a function that makes the decoders of a kind, one for each stream. */
export const make = <const Type extends string, A extends object, I, E>(
  options: Options<Type, A, I>,
  asError: (wrong: Wrong) => E
) => {
  const kind = new Kind(options, asError)
  return (stream: string, symbol: string): Decoder<Type, A, I, E> => new Decoder(kind, stream, symbol)
}
