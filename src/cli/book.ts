// `holdfast book`: shows the top of an order book while it is synchronised.
import type * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { Level } from "../binance/OrderBook.ts"
import type { RestRejected } from "../market/RestError.ts"
import type { bookConfig } from "./options.ts"
import type { Running } from "./program.ts"
import { run } from "./program.ts"

/** The venue refused the snapshot of the book. */
export class BookRefused extends Data.TaggedError("BookRefused")<{ readonly symbol: string; readonly cause: RestRejected }> {
  override get message(): string {
    return `The order book of ${this.symbol} is not available. ${this.cause.message} Check the symbol.`
  }
}

const row = ([price, quantity]: Level) => `${price.padStart(18)} ${quantity.padStart(18)}`

export const book = ({ levels, symbol, ...args }: Command.Command.ParseConfig<typeof bookConfig>) => {
  const body = ({ drained, feed, write }: Running) =>
    Effect.gen(function*() {
      const orderBook = yield* feed.orderBook(symbol, { levels })
      let shown = ""
      const show = Effect.gen(function*() {
        const top = yield* Effect.either(orderBook.top(levels))
        const timestamp = yield* Clock.currentTimeMillis
        if (args.json) {
          const data = Either.match(top, { onLeft: ({ message }) => ({ stale: message }), onRight: (right) => right })
          write(`${JSON.stringify({ source: "binance", symbol: orderBook.symbol, type: "book", data, timestamp })}\n`)
        } else if (Either.isLeft(top)) {
          // Prints each reason once, however long it lasts.
          if (shown !== top.left.message) write(`\n${top.left.message}\n`)
          shown = top.left.message
        } else {
          const { asks, bids, lastUpdateId } = top.right
          shown = ""
          write(`\n${[...asks].reverse().map(row).join("\n")}\n${`--- ${lastUpdateId} `.padEnd(37, "-")}\n${bids.map(row).join("\n")}\n`)
        }
        yield* drained
      })
      // Ends when the book ends, with its error.
      yield* Effect.raceFirst(
        Effect.delay(Effect.repeat(show, Schedule.spaced("1 second")), "1 second"),
        Effect.catchTag(orderBook.ended, "RestRejected", (cause) => new BookRefused({ symbol: orderBook.symbol, cause }))
      )
    }).pipe(Effect.scoped)
  return run(args, (venue) =>
    Effect.succeed({ title: `Order book of ${symbol.toUpperCase()} at ${venue.name}.`, body, hasMarket: false }))
}
