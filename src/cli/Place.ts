// Where the program gets its market from: a venue of Binance's, another by its URLs, or the exchange in this process.
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as BinanceFeed from "../binance/BinanceFeed.ts"
import * as Venue from "../binance/Venue.ts"
import { oneOf } from "./settings.ts"

export interface Place {
  readonly venue: Venue.Venue
  /** What its connections need to be told beyond what everybody's are. */
  readonly connection: NonNullable<BinanceFeed.Options["connection"]>
}

const modes = ["demo", "paper", "live"] as const

const mode = oneOf("TRADING_MODE", new Map(modes.map((name) => [name, name])), "demo")

const venues = { paper: Venue.testnet, live: Venue.spot }

// Loaded only when it is asked for: it brings a whole server along.
const demo = Effect.flatMap(Effect.promise(() => import("./demo.ts")), (module) => module.demo)

const lonely = ConfigError.MissingData(
  ["ws"],
  "--rest names the REST interface of the venue that --ws names, and --ws is missing"
)

/** `--ws` and `--rest` name another venue; without `--rest`, it is where its sockets are. */
export const resolve = (ws: Option.Option<string>, rest: Option.Option<string>) =>
  Option.match(ws, {
    onSome: (url) =>
      Effect.succeed<Place>({
        venue: Venue.make({ ws: url, rest: Option.getOrElse(rest, () => url.replace(/^ws/, "http")) }),
        connection: {}
      }),
    onNone: () =>
      Option.isSome(rest) ? Effect.fail(lonely) : Effect.flatMap(mode, (name) =>
        name === "demo" ? demo : Effect.succeed<Place>({ venue: venues[name], connection: {} }))
  })
