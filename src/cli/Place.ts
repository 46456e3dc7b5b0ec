// Where the program gets its market from: a venue of Binance's, another by its URLs, or the exchange in this process.
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as BinanceFeed from "../binance/BinanceFeed.ts"
import * as Venue from "../binance/Venue.ts"
import * as Exchange from "../exchange/Exchange.ts"
import * as Fault from "../exchange/Fault.ts"
import { oneOf } from "./settings.ts"

export interface Place {
  readonly venue: Venue.Venue
  /** What its connections need to be told beyond what everybody's are. */
  readonly connection: NonNullable<BinanceFeed.Options["connection"]>
}

const modes = ["demo", "paper", "live"] as const

const mode = oneOf("TRADING_MODE", new Map(modes.map((name) => [name, name])), "demo")

const venues = { paper: Venue.testnet, live: Venue.spot }

// Each life is long enough to be proven before it ends, and each ends in another way.
const demoFaults: ReadonlyArray<Fault.Scripted> = [
  [Fault.Reset()],
  [Fault.Malformed(), Fault.RefuseUpgrades({ times: 1, status: 503, retryAfter: "2" }), Fault.Drop()],
  [Fault.Close({ code: 1001, reason: "going away" })],
  [Fault.Silence()],
  [Fault.Restart({ downtime: "2 seconds" })],
  [Fault.Vanish()],
  [Fault.Shutdown({ notice: "500 millis" })],
  [Fault.Violation()],
  [Fault.Oversize({ bytes: 100_000 })]
].flatMap((faults) => faults.map((fault, i) => ({ after: i === 0 ? "7 seconds" : 0, fault })))

const demo = Effect.gen(function*() {
  const exchange = yield* Exchange.make({ tradesPerSecond: 8 })
  yield* Effect.forkScoped(exchange.script(demoFaults, { repeat: true }))
  const place: Place = {
    venue: Venue.make({ name: "demo", ws: exchange.wsUrl, rest: exchange.restUrl }),
    // A demonstration does not want to wait half a minute for a silence to be noticed.
    connection: {
      messageTimeout: "3 seconds",
      pingInterval: "1 second",
      pongTimeout: "2 seconds",
      maxMessageBytes: 64 * 1024
    }
  }
  return place
})

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
