// `holdfast book`: shows the top of an order book while it is synchronised.
import type * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { BookStale, Top } from "../binance/OrderBook.ts"
import type { Venue } from "../binance/Venue.ts"
import type { RestRejected } from "../market/RestError.ts"
import { bookBlock, bookLines } from "./bookLines.ts"
import type { bookConfig } from "./options.ts"
import type { Running } from "./program.ts"
import { run } from "./program.ts"

/** The venue refused the snapshot of the book. */
export class BookRefused extends Data.TaggedError("BookRefused")<{ readonly symbol: string; readonly cause: RestRejected }> {
  override get message(): string {
    return `The order book of ${this.symbol} is not available. ${this.cause.message} Check the symbol.`
  }
}

// A terminal is drawn anew more often than others are written to.
const pauses = { drawn: "250 millis", printed: "1 second" } as const

export const book = ({ levels, symbol, ...args }: Command.Command.ParseConfig<typeof bookConfig>) => {
  const bodyAt = (venue: Venue) => ({ drained, draw, feed, size, write }: Running) =>
    Effect.gen(function*() {
      const orderBook = yield* feed.orderBook(symbol, { levels })
      let latest: Top | undefined
      let told = ""
      const print = (top: Either.Either<Top, BookStale>) => {
        if (Either.isRight(top)) {
          told = ""
          write(bookBlock(top.right))
          return
        }
        // Prints each reason once, however long it lasts.
        if (told !== top.left.message) write(`\n${top.left.message}\n`)
        told = top.left.message
      }
      const show = Effect.gen(function*() {
        const top = yield* Effect.either(orderBook.top(levels))
        latest = Either.isRight(top) ? top.right : latest
        if (args.json) {
          const timestamp = yield* Clock.currentTimeMillis
          const data = Either.match(top, { onLeft: ({ message }) => ({ stale: message }), onRight: (right) => right })
          write(`${JSON.stringify({ source: "binance", symbol: orderBook.symbol, type: "book", data, timestamp })}\n`)
        } else if (draw === undefined) print(top)
        else {
          const stale = Either.isLeft(top) ? top.left.reason : undefined
          draw(bookLines({ symbol: orderBook.symbol, venue: venue.name, top: latest, stale }, size()))
        }
        yield* drained
      })
      const pause = draw === undefined ? pauses.printed : pauses.drawn
      // Ends when the book ends, with its error.
      yield* Effect.raceFirst(
        Effect.delay(Effect.repeat(show, Schedule.spaced(pause)), pause),
        Effect.catchTag(orderBook.ended, "RestRejected", (cause) => new BookRefused({ symbol: orderBook.symbol, cause }))
      )
    }).pipe(Effect.scoped)
  return run(args, (venue) =>
    Effect.succeed({ title: `Order book of ${symbol.toUpperCase()} at ${venue.name}.`, body: bodyAt(venue), hasMarket: false }))
}
