// Chooses the venue: one of Binance's, another by its URLs, or the embedded exchange.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as BinanceFeed from "../binance/BinanceFeed.ts"
import * as Venue from "../binance/Venue.ts"
import * as NodeTransport from "../NodeTransport.ts"
import { apiKey, oneOf } from "./settings.ts"
import { withoutSecrets } from "./shown.ts"

export interface VenueChoice {
  readonly venue: Venue.Venue
  /** Options that connections to this venue need. */
  readonly connection: NonNullable<BinanceFeed.Options["connection"]>
  readonly transport: ReturnType<typeof NodeTransport.layerConfig>
  /** Options of its REST interface. */
  readonly rest?: BinanceFeed.Options["rest"]
}

// A venue elsewhere may be behind a proxy.
const remote = { connection: {}, transport: NodeTransport.layerConfig(NodeTransport.config) }

const modes = ["demo", "paper", "live"] as const

const mode = oneOf("TRADING_MODE", new Map(modes.map((name) => [name, name])), "demo")

const venues = { paper: Venue.testnet, live: Venue.spot }

// Loaded on demand: it contains a whole server.
const demo = Effect.flatMap(Effect.promise(() => import("./demo.ts")), (module) => module.demo)

/** `--ws` or `--rest` does not name a venue. */
export class WrongVenue extends Data.TaggedError("WrongVenue")<{ readonly message: string }> {}

const lonely = new WrongVenue({
  message: "--rest gives the REST interface of the venue that --ws names, and --ws is missing. Give --ws too."
})

const schemes = { ws: "ws", rest: "http" } as const

const isPlain = ({ hash, password, search, username }: URL) => [hash, password, search, username].every((part) => part === "")

const parse = (option: keyof typeof schemes, text: string) => {
  const scheme = schemes[option]
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  return url !== undefined && isPlain(url) && [`${scheme}:`, `${scheme}s:`].includes(url.protocol)
    ? Effect.succeed(url)
    : new WrongVenue({
      message: `--${option} must be a URL such as ${scheme}://127.0.0.1:9443, without a user or a query, but is "${withoutSecrets(text)}".`
    })
}

const overHttp = (ws: URL) => `${ws.protocol.replace("ws", "http")}${ws.href.slice(ws.protocol.length)}`

/** `--ws` and `--rest` name another venue. The default of `--rest` is the URL of `--ws` over HTTP. */
export const resolve = (ws: Option.Option<string>, rest: Option.Option<string>) =>
  Option.match(ws, {
    onSome: (url) =>
      Effect.gen(function*() {
        const sockets = yield* parse("ws", url)
        const requests = Option.isSome(rest) ? (yield* parse("rest", rest.value)).href : overHttp(sockets)
        const choice: VenueChoice = { venue: Venue.make({ ws: sockets.href, rest: requests }), ...remote }
        return choice
      }),
    onNone: () =>
      Effect.gen(function*() {
        if (Option.isSome(rest)) return yield* lonely
        const name = yield* mode
        if (name === "demo") return yield* demo
        // No other venue sees the key.
        const choice: VenueChoice = { venue: venues[name], ...remote, rest: { apiKey: yield* apiKey } }
        return choice
      })
  })
