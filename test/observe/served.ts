// A feed of the embedded exchange, observed, and its routes on a port of 127.0.0.1.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { createServer, request as httpRequest } from "node:http"
import { BinanceFeed, Venue } from "holdfast/binance"
import { Exchange } from "holdfast/binance/exchange"
import * as NodeTransport from "holdfast/NodeTransport"
import { Message, Observe } from "holdfast/observe"

export interface Answer {
  readonly status: number
  /** Several values of one name stand in lines. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export type Headers = Readonly<Record<string, string>>

/** Sends a request. `fetch` would not send a Host of one's own. */
export const ask = (port: number, method: string, path: string, headers: Headers = {}, body = "") =>
  Effect.async<Answer>((resume) => {
    const sent = httpRequest({ port, host: "127.0.0.1", method, path, headers: { connection: "close", ...headers } }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on("end", () => {
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join("\n") : value]))
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers, body: text }))
      })
    })
    sent.on("error", (error) => {
      resume(Effect.die(error))
    })
    sent.end(body)
  })

/** Repeats until the value is right, and returns it. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, isRight: (value: A) => boolean) =>
  Effect.gen(function*() {
    for (;;) {
      const value = yield* effect
      if (isRight(value)) return value
      yield* Effect.sleep("20 millis")
    }
  })

const readinessOf = Schema.decodeSync(Schema.parseJson(Schema.Struct({ ready: Schema.Boolean, reasons: Schema.optional(Schema.Array(Message.Reason)) })))

export const serve = (options: {
  readonly streams: ReadonlyArray<string>
  readonly exchange?: Exchange.Options
  readonly feed?: Partial<BinanceFeed.Options>
  readonly books?: ReadonlyArray<string>
  readonly routes?: Observe.RouteOptions
  readonly page?: string
}) =>
  Effect.gen(function*() {
    const exchange = yield* Exchange.make({ tradesPerSecond: 20, ...options.exchange })
    const feed = yield* BinanceFeed.make({
      venue: Venue.make({ name: "local", ws: exchange.wsUrl, rest: exchange.restUrl }),
      ...options.feed,
      connection: { reconnect: { initialDelay: "100 millis", maxDelay: "200 millis" }, ...options.feed?.connection }
    }).pipe(Effect.provide([NodeTransport.layer, FetchHttpClient.layer]))
    const readings = yield* FiberHandle.make()
    const resume = Effect.asVoid(FiberHandle.run(readings, Effect.ignore(feed.raw(options.streams).listen(() => undefined))))
    yield* resume
    const observe = yield* Observe.make({
      feeds: [feed],
      desired: options.streams,
      books: yield* Effect.forEach(options.books ?? [], (symbol) => feed.orderBook(symbol)),
      resume
    })
    const server = yield* Layer.build(
      HttpRouter.Default.serve().pipe(
        Layer.provide([Observe.metrics(options.routes), Observe.routes(options.routes), Observe.page(options.page, options.routes)]),
        Layer.provide(Layer.succeed(Observe.Observe, observe)),
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    )
    const { address } = Context.get(server, HttpServer.HttpServer)
    const port = address._tag === "TcpAddress" ? address.port : 0
    const get = (path: string, headers?: Headers) => ask(port, "GET", path, headers)
    const ready = Effect.map(get("/readyz"), ({ body, status }) => ({ status, ...readinessOf(body) }))
    return {
      exchange,
      feed,
      observe,
      port,
      get,
      post: (path: string, headers?: Headers, body?: string) => ask(port, "POST", path, headers, body),
      ready,
      /** Completes when everything is had. */
      awaitReady: until(ready, ({ ready }) => ready),
      /** The value of a series of `/metrics`; undefined if it is not there. */
      metric: (series: string) =>
        Effect.map(get("/metrics"), ({ body }) => {
          const line = body.split("\n").find((each) => each.startsWith(`${series} `))
          return line === undefined ? undefined : Number(line.slice(series.length + 1))
        })
    }
  })
