// A scripted Binance for tests: messages of its sockets, and answers of its REST interface.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestTransport } from "holdfast/testing"

const Request = Schema.parseJson(Schema.Struct({ id: Schema.Number }))

const idOf = (message: string | Uint8Array) => Schema.decodeUnknownSync(Request)(message).id

/** Acknowledges every request. */
export const acknowledge = TestTransport.answer((message) => [JSON.stringify({ result: null, id: idOf(message) })])

/** Refuses every request. */
export const refuseAll = TestTransport.answer((message) => [
  JSON.stringify({ error: { code: 2, msg: "Invalid request" }, id: idOf(message) })
])

/** A REST interface that answers every request with this body and status. */
export const answers = (body: (url: URL) => unknown, status: number | ((url: URL) => number) = 200) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() => {
        const text = JSON.stringify(body(url))
        const response = HttpClientResponse.fromWeb(request, new Response(null, { status: typeof status === "number" ? status : status(url) }))
        // Without a promise, which would need real time.
        Object.defineProperty(response, "stream", { value: Stream.make(new TextEncoder().encode(text)) })
        return response
      })
    )
  )

/** The tickers of 24 hours that a request asks for: the latest trade of each symbol. */
export const tickers = (url: URL, symbols: ReadonlyArray<string>, latest: (symbol: string) => number) => {
  const symbol = url.searchParams.get("symbol")
  const of = (name: string) => ({ symbol: name, lastId: latest(name) })
  return symbol === null ? symbols.map(of) : of(symbol)
}

export const asksForTickers = (url: URL) => url.pathname.endsWith("/ticker/24hr")

export const asksForSymbols = (url: URL) => url.pathname.endsWith("/exchangeInfo")

/** Options of a connection that ends only when its socket does. */
export const connection = {
  messageTimeout: Duration.infinity,
  pingInterval: Duration.infinity,
  reconnect: { jitterFactor: 0, initialDelay: "1 second", stableAfter: 0 }
} as const

/** A message of a combined connection. */
export const combined = (stream: string, data: object) => JSON.stringify({ stream, data })

export const trade = (t: number, T = t) =>
  combined("btcusdt@trade", { e: "trade", E: T, T, s: "BTCUSDT", t, p: "1", q: "1", m: true })

/** An update of one level of a book. The quantity is the id. */
export const depth = (u: number, E = u, symbol = "BTCUSDT") =>
  combined(`${symbol.toLowerCase()}@depth@100ms`, { e: "depthUpdate", E, s: symbol, U: u, u, b: [["1.0", String(u)]], a: [] })

/** A snapshot of a book. */
export const snapshot = (lastUpdateId: number) => ({ lastUpdateId, bids: [["1.0", "1"]], asks: [["1.1", "2"]] })
