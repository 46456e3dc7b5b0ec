// `holdfast symbols`: what a venue has.
import type * as Command from "@effect/cli/Command"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Rest from "../binance/Rest.ts"
import { columnsOf, matches } from "./symbolList.ts"
import { didYouMean, near } from "./near.ts"
import type { symbolsConfig } from "./options.ts"
import * as VenueChoice from "./VenueChoice.ts"

/** The venue has no symbol that matches. */
export class NoSymbol extends Data.TaggedError("NoSymbol")<{
  readonly venue: string
  readonly pattern: string
  readonly near: ReadonlyArray<string>
}> {
  override get message(): string {
    return `The venue ${this.venue} has no symbol that matches ${this.pattern}.${didYouMean(this.near)}`
  }
}

export const symbols = ({ json, pattern, ...where }: Command.Command.ParseConfig<typeof symbolsConfig>) =>
  Effect.gen(function*() {
    const { rest: options, venue } = yield* VenueChoice.resolve(where)
    const rest = yield* Rest.make(venue, options)
    const all = [...yield* rest.symbols].sort()
    const requested = Option.getOrElse(pattern, () => "*")
    const found = all.filter(matches(requested))
    if (found.length === 0) {
      const lower = near(requested, all.map((symbol) => symbol.toLowerCase()))
      return yield* new NoSymbol({ venue: venue.name, pattern: requested, near: lower.map((symbol) => symbol.toUpperCase()) })
    }
    const { columns, isTTY } = process.stdout
    if (json) return yield* Effect.forEach(found, (symbol) => Console.log(JSON.stringify({ venue: venue.name, symbol })), { discard: true })
    yield* Effect.forEach(isTTY ? columnsOf(found, columns) : found, (line) => Console.log(line), { discard: true })
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
