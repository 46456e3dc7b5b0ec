// From the frames of a stream to its events: at first each is parsed and checked, and later, as a rule, read by its shape.
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Options } from "../../market/Decoder.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import type { Message } from "../../Transport.ts"
import { excerpt } from "../json/excerpt.ts"
import * as Shape from "../json/compiledReader.ts"
import * as Validator from "../json/validator.ts"

/** What is wrong with a frame, and its beginning. */
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
    // Both what is wrong and what came are written out by recursion.
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

// An event that came over a socket. It is made by `new`, since V8 comes to take a literal whose objects outlive their turn in
// the beginning for one whose objects live long, and from then on even the shortest-lived of them is collected with the old
// ones, and whatever it holds with it (measured: a quarter of the cost of a trade).
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

// What the decoders of a kind have in common: what one of them learns, all know.
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

// The decoder of one stream. What is parsed passes as it is: nothing is copied, so that fields which nobody knows of cannot do
// harm by their names.
class Decoder<Type extends string, A extends object, I, E> {
  readonly #kind: Kind<Type, A, I, E>
  readonly #stream: string
  readonly #symbol: string
  readonly #isOfOneSymbol: boolean
  readonly #hasLists: boolean
  // How its frames begin.
  readonly #start: string

  constructor(kind: Kind<Type, A, I, E>, stream: string, symbol: string) {
    const { anySymbol = false, envelope, lists } = kind.options
    this.#kind = kind
    this.#stream = stream
    this.#symbol = symbol
    this.#isOfOneSymbol = symbol !== "" && !anySymbol
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
        // With room for one: of a thousand streams, hardly any has more at once.
        if (events === undefined) events = [event]
        else events.push(event)
        continue
      }
      const wrong = event === undefined ? this.#putMessage(events ??= [], message, receivedAt) : invalid(item, event)
      if (wrong !== undefined) onInvalid(this.#kind.asError(wrong))
    }
    return events ?? []
  }

  // The event, or what is wrong with it.
  #eventOf(item: A, receivedAt: number): Arrived<A, Type> | (() => string) {
    const { source, symbolOf, timeOf, type } = this.#kind
    const symbol = symbolOf(item)
    if (this.#isOfOneSymbol && symbol !== undefined && symbol !== this.#symbol) return () => `it is about ${symbol}`
    return new Arrived(source, symbol ?? this.#symbol, type, item, timeOf(item) ?? receivedAt)
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
    if (!this.#hasLists) return invalid(data, () => "one event is due, and not a list")
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
    if (parsed._tag !== "Data" || parsed.topic !== this.#stream) return invalid(parsed, () => "it is not about its stream")
    const wrong = this.#putAll(events, parsed.data, receivedAt)
    const event = events.at(-1)
    if (event !== undefined && event.data === parsed.data) this.#kind.shapes.learn(message, event.data)
    return wrong
  }
}

/** Makes the decoders of a kind, one for each stream. */
export const make = <const Type extends string, A extends object, I, E>(
  options: Options<Type, A, I>,
  asError: (wrong: Wrong) => E
) => {
  const kind = new Kind(options, asError)
  return (stream: string, symbol: string): Decoder<Type, A, I, E> => new Decoder(kind, stream, symbol)
}
