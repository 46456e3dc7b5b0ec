// Where the program gets its market from: a venue of Binance's, another by its URLs, or the exchange in this process.
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Exchange from "../exchange/Exchange.ts"
import * as Fault from "../exchange/Fault.ts"
import type * as Connection from "../Connection.ts"

export interface Venue {
  readonly name: string
  readonly ws: string
  /** What the venue needs to be told beyond what everybody is. */
  readonly options: Partial<Connection.Options>
}

const modes = ["demo", "paper", "live"] as const

const mode = Config.string("TRADING_MODE").pipe(
  Config.map((text) => text.toLowerCase()),
  Config.withDefault("demo"),
  Config.validate({
    message: `TRADING_MODE must be one of ${modes.join(", ")}`,
    validation: (text): text is (typeof modes)[number] => modes.some((known) => known === text)
  })
)

// Binance docs: testnet, and the market itself.
const urls = {
  paper: "wss://stream.testnet.binance.vision",
  live: "wss://stream.binance.com:9443"
}

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
  const venue: Venue = {
    name: "demo",
    ws: exchange.wsUrl,
    // A demonstration does not want to wait half a minute for a silence to be noticed.
    options: {
      messageTimeout: "3 seconds",
      pingInterval: "1 second",
      pongTimeout: "2 seconds",
      maxMessageBytes: 64 * 1024
    }
  }
  return venue
})

export const resolve = (ws: Option.Option<string>) =>
  Option.match(ws, {
    onSome: (url) => Effect.succeed<Venue>({ name: "custom", ws: url.replace(/\/+$/, ""), options: {} }),
    onNone: () =>
      Effect.flatMap(mode, (name) =>
        name === "demo" ? demo : Effect.succeed<Venue>({ name, ws: urls[name], options: {} }))
  })
