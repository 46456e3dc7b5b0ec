// The routes of an observer, over HTTP, against the embedded exchange.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import WebSocket from "ws"
import { Fault } from "holdfast/binance/exchange"
import { Message } from "holdfast/observe"
import { serve, until } from "./served.ts"

const trades = "btcusdt@trade"
const first = "binance/stream#1"
const pathTo = (id: string, action: string) => `/connections/${encodeURIComponent(id)}/${action}`

const secret = "c0ffee-c0ffee-c0ffee-c0ffee"
const bearer = { authorization: `Bearer ${secret}` }

// ---------------------------------------------------------------------------------------------------------------------

const decode = Schema.decodeSync(Schema.parseJson(Message.Message))

// The messages of `/events`, from the first. Fails with the status of a refused upgrade.
const events = (port: number, headers: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<Message.Message>()
    const socket = yield* Effect.acquireRelease(
      Effect.async<WebSocket, number>((resume) => {
        const ws = new WebSocket(`ws://127.0.0.1:${port}/events`, { headers })
        ws.on("open", () => {
          resume(Effect.succeed(ws))
        })
        ws.on("unexpected-response", (request, response) => {
          request.destroy()
          resume(Effect.fail(response.statusCode ?? 0))
        })
        ws.on("error", () => undefined)
        ws.on("message", (data) => {
          if (Buffer.isBuffer(data)) Queue.unsafeOffer(queue, decode(data.toString()))
        })
      }),
      (ws) => Effect.sync(() => {
        ws.terminate()
      })
    )
    const next = <A extends Message.Change>(is: (change: Message.Change) => change is A) =>
      Effect.iterate<A | undefined, never, never>(undefined, {
        while: (found) => found === undefined,
        body: () => Effect.map(Queue.take(queue), ({ changes }) => changes.find(is))
      })
    return { queue, socket, next }
  })

const isOf = <Tag extends Message.Change["_tag"]>(tag: Tag, isRight: (change: Extract<Message.Change, { readonly _tag: Tag }>) => boolean = () => true) =>
  (change: Message.Change): change is Extract<Message.Change, { readonly _tag: Tag }> => {
    const ofTag = (each: Message.Change): each is Extract<Message.Change, { readonly _tag: Tag }> => each._tag === tag
    return ofTag(change) && isRight(change)
  }

// ---------------------------------------------------------------------------------------------------------------------

describe("/readyz and /healthz", () => {
  it.scopedLive("tell what is not had while a connection is dialled again", () =>
    Effect.gen(function*() {
      const { awaitReady, exchange, get, ready } = yield* serve({ streams: [trades] })
      yield* awaitReady
      yield* exchange.fault(Fault.RefuseUpgrades({ times: 3, status: 500 }))
      yield* exchange.fault(Fault.Reset())
      const { reasons, status } = yield* until(ready, (answer) => !answer.ready)
      assert.strictEqual(status, 503)
      assert.deepStrictEqual(reasons?.map(({ connection, reason, streams }) => ({ connection, reason, streams })), [
        { connection: first, reason: "disconnected", streams: [trades] }
      ])
      assert.strictEqual((yield* get("/healthz")).status, 200)
      assert.strictEqual((yield* awaitReady).status, 200)
    }))
})

describe("/metrics", () => {
  it.scopedLive("count what happened", () =>
    Effect.gen(function*() {
      const { awaitReady, exchange, metric } = yield* serve({ streams: [trades], books: ["BTCUSDT"], feed: { rest: { giveUpAfter: "300 millis" } } })
      const of = (name: string, more = "") => `${name}{${more === "" ? "" : `${more},`}market_kind="trade",market_source="binance"}`
      // Other tests of this file count into the same registry.
      yield* awaitReady
      const count = (series: string) => Effect.map(metric(series), (value) => value ?? 0)
      const before = yield* Effect.all({
        repaired: count(of("market_repair_events_total")),
        whole: count(of("market_repair_duration_seconds_count")),
        resyncs: count(`market_book_resyncs_total{market_source="binance"}`),
        gaps: count(of("market_gaps_total", `cause="RestUnavailable"`)),
        weight: count(`market_rest_weight_total{market_source="binance"}`)
      })
      yield* until(count(of("market_events_total")), (value) => value > 10)
      yield* until(count(of("market_event_lag_seconds_count")), (value) => value > 0)
      assert.strictEqual(yield* count(`websocket_client_connection_states{state="connected"}`), 1)
      assert.strictEqual(yield* count(`market_streams{market_kind="trade",market_source="binance",status="live"}`), 1)
      assert.strictEqual(yield* count("observe_ready"), 1)

      // Trades are missed while the exchange refuses, and fetched afterwards.
      yield* exchange.fault(Fault.RefuseUpgrades({ times: 2, status: 500 }))
      yield* exchange.fault(Fault.Reset())
      yield* until(count(of("market_repair_events_total")), (value) => value > before.repaired)
      yield* until(count(of("market_repair_duration_seconds_count")), (value) => value === before.whole + 1)
      yield* until(count(`market_book_resyncs_total{market_source="binance"}`), (value) => value > before.resyncs)
      assert.isAbove(yield* count(`market_rest_weight_total{market_source="binance"}`), before.weight)
      assert.strictEqual(yield* count(of("market_gaps_total", `cause="RestUnavailable"`)), before.gaps)

      // Trades are missed, and REST does not answer.
      yield* awaitReady
      yield* exchange.fault(Fault.FailRest({ times: 1_000, status: 503 }))
      yield* exchange.fault(Fault.RefuseUpgrades({ times: 2, status: 500 }))
      yield* exchange.fault(Fault.Reset())
      yield* until(count(of("market_gaps_total", `cause="RestUnavailable"`)), (value) => value === before.gaps + 1)
    }), 90_000)

  it.scopedLive("have the symbols as labels only where that is asked for", () =>
    Effect.gen(function*() {
      const { get } = yield* serve({ streams: ["ethusdt@aggTrade"] })
      yield* until(get("/metrics"), ({ body }) => body.includes(`market_kind="aggTrade"`))
      assert.notInclude((yield* get("/metrics")).body, "market_symbol")
      const labelled = yield* serve({ streams: ["ethusdt@aggTrade"], feed: { symbolLabels: true } })
      yield* until(labelled.get("/metrics"), ({ body }) => body.includes(`market_symbol="ETHUSDT"`))
    }))

  it.scopedLive("have no secret of a URL", () =>
    Effect.gen(function*() {
      const { awaitReady, get } = yield* serve({ streams: [trades] })
      yield* awaitReady
      const { body, headers } = yield* get("/metrics")
      assert.notInclude(body, "/stream")
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
    }))
})

describe("requests of other pages", () => {
  it.scopedLive("are refused", () =>
    Effect.gen(function*() {
      const { get, port, post } = yield* serve({ streams: [trades] })
      for (const host of ["evil.test", `evil.test:${port}`, "127.0.0.1.evil.test"]) {
        for (const path of ["/metrics", "/readyz", "/healthz", "/", "/events"]) {
          assert.strictEqual((yield* get(path, { host })).status, 403, `${host} ${path}`)
        }
      }
      // The page of another program of this machine is foreign too.
      for (const origin of ["https://evil.test", "null", "http://127.0.0.1:1", `https://127.0.0.1.evil.test:${port}`]) {
        assert.strictEqual((yield* post(pathTo(first, "disconnect"), { origin })).status, 403, origin)
        assert.strictEqual(yield* Effect.flip(events(port, { origin })), 403)
      }
      assert.strictEqual((yield* get("/readyz", { host: `localhost:${port}`, origin: `http://localhost:${port}` })).status === 403, false)
    }))

  it.scopedLive("are answered if they are allowed", () =>
    Effect.gen(function*() {
      const { get } = yield* serve({ streams: [trades], routes: { hosts: ["feeds.test"], origins: ["https://page.test"] } })
      assert.strictEqual((yield* get("/healthz", { host: "feeds.test:80", origin: "https://page.test" })).status, 200)
      assert.strictEqual((yield* get("/healthz", { host: "other.test" })).status, 403)
    }))
})

describe("a token", () => {
  it.scopedLive("is needed, as a bearer or as the cookie of the form", () =>
    Effect.gen(function*() {
      const { awaitReady, get, port, post } = yield* serve({ streams: [trades], routes: { token: Redacted.make(secret) } })
      yield* awaitReady
      for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: secret }, { cookie: "holdfast_session=1.2" }]) {
        assert.strictEqual((yield* get("/metrics", headers)).status, 401)
        assert.strictEqual(yield* Effect.flip(events(port, headers)), 401)
        assert.strictEqual((yield* post(pathTo(first, "disconnect"), headers)).status, 401)
        assert.strictEqual((yield* get("/", headers)).headers.location, "/sign-in")
        assert.deepStrictEqual(JSON.parse((yield* get("/readyz", headers)).body), { ready: true })
      }
      assert.strictEqual((yield* get("/healthz")).status, 200)
      assert.strictEqual((yield* get("/metrics", bearer)).status, 200)
      assert.deepStrictEqual(JSON.parse((yield* get("/readyz", bearer)).body), { ready: true, reasons: [] })

      const origin = `http://127.0.0.1:${port}`
      const form = { "content-type": "application/x-www-form-urlencoded", origin }
      const wrong = yield* post("/sign-in", form, "token=wrong")
      assert.strictEqual(wrong.status, 401)
      assert.isUndefined(wrong.headers["set-cookie"])
      assert.include(wrong.body, "This is not the token.")
      assert.strictEqual((yield* post("/sign-in", { ...form, origin: "https://evil.test" }, `token=${secret}`)).status, 403)
      const right = yield* post("/sign-in", form, `token=${secret}`)
      assert.strictEqual(right.status, 303)
      const set = right.headers["set-cookie"] ?? ""
      assert.match(set, /HttpOnly/)
      assert.match(set, /SameSite=Strict/)
      assert.notInclude(set, secret)
      const cookie = set.split(";")[0] ?? ""
      assert.strictEqual((yield* get("/", { cookie })).status, 200)
      assert.strictEqual((yield* get("/metrics", { cookie })).status, 200)
      yield* events(port, { cookie })
      // Neither its time nor its signature can be changed.
      const [, value = ""] = cookie.split("=")
      for (const forged of [`9${value.slice(1)}`, value.replace(/.$/, (last) => last === "0" ? "1" : "0"), value.split(".")[0] ?? ""]) {
        assert.strictEqual((yield* get("/metrics", { cookie: `holdfast_session=${forged}` })).status, 401)
      }
    }))

  it.scopedLive("is in no log, span or answer", () => {
    const seen: Array<string> = []
    const show = (value: unknown) => {
      seen.push(JSON.stringify(value, (_, each: unknown) => typeof each === "bigint" ? String(each) : each))
    }
    const logger = Logger.make(({ annotations, cause, message }) => {
      show([message, [...annotations], cause])
    })
    const tracer = Tracer.make({
      span: (...args) => {
        const span = new Proxy({ attributes: new Map<string, unknown>() }, {})
        show(args[0])
        return {
          _tag: "Span",
          name: args[0],
          spanId: "1",
          traceId: "1",
          sampled: true,
          parent: args[1],
          context: args[2],
          links: args[3],
          kind: args[5],
          status: { _tag: "Started", startTime: 0n },
          attributes: span.attributes,
          attribute: (key, value) => {
            show([key, String(value)])
          },
          event: (name, _, attributes) => {
            show([name, attributes])
          },
          addLinks: () => undefined,
          end: (_, exit) => {
            show(exit)
          }
        }
      },
      context: (f) => f()
    })
    return Effect.gen(function*() {
      const { awaitReady, get, port, post } = yield* serve({ streams: [trades], routes: { token: Redacted.make(secret) } })
      yield* awaitReady
      const answers = [
        yield* get("/readyz", bearer),
        yield* get("/metrics", bearer),
        yield* post("/sign-in", { "content-type": "application/x-www-form-urlencoded" }, `token=${secret}`),
        yield* post(pathTo("nothing", "rotate"), bearer)
      ]
      yield* events(port, bearer)
      assert.isAbove(seen.filter((text) => text.includes("authorization")).length, 0)
      assert.notInclude([...seen, ...answers.map((answer) => JSON.stringify(answer))].join("\n"), secret)
    }).pipe(
      Effect.provide(Layer.mergeAll(Logger.replace(Logger.defaultLogger, logger), Layer.setTracer(tracer)))
    )
  })
})

describe("/events", () => {
  it.scopedLive("begins with what is, and tells of an outage, its repair and the book", () =>
    Effect.gen(function*() {
      const { awaitReady, exchange, port } = yield* serve({ streams: [trades], books: ["BTCUSDT"] })
      yield* awaitReady
      const { next, queue } = yield* events(port)
      const snapshot = yield* Queue.take(queue)
      assert.strictEqual(snapshot._tag, "Snapshot")
      const tags = HashSet.fromIterable(snapshot.changes.map(({ _tag }) => _tag))
      assert.deepStrictEqual([...tags].sort(), ["Book", "Budget", "Connection", "Gate", "Readiness", "Traffic"])
      const connection = snapshot.changes.find(isOf("Connection"))
      assert.deepInclude(connection, { id: first, state: "Connected", reason: null, canRotate: true })
      if (connection?.streams.live !== 2) yield* next(isOf("Connection", ({ streams }) => streams.live === 2))

      yield* exchange.fault(Fault.RefuseUpgrades({ times: 2, status: 500 }))
      yield* exchange.fault(Fault.Reset())
      const began = yield* next(isOf("Outage", ({ ended }) => ended === null))
      assert.deepInclude(began, { connection: first, error: "ConnectionClosed" })
      const repaired = yield* next(isOf("Outage", ({ ended, repaired }) => ended !== null && repaired > 0))
      assert.deepInclude(repaired, { id: began?.id ?? -1, attempts: 3, gaps: 0 })
      const book = yield* next(isOf("Book", ({ stale }) => stale === null))
      assert.lengthOf(book?.bids ?? [], 10)
    }))

  it.scopedLive("is an answer in words for what is no WebSocket", () =>
    Effect.gen(function*() {
      const { get } = yield* serve({ streams: [trades] })
      const { body, status } = yield* get("/events")
      assert.strictEqual(status, 426)
      assert.include(body, "/events is a WebSocket.")
    }))
})

describe("the requests of a connection", () => {
  it.scopedLive("reconnect, rotate and disconnect it, and connect it again", () =>
    Effect.gen(function*() {
      const { awaitReady, observe, port, post, ready } = yield* serve({ streams: [trades] })
      yield* awaitReady
      const { next } = yield* events(port)
      assert.strictEqual((yield* post(pathTo(first, "reconnect"))).status, 200)
      yield* next(isOf("Outage", ({ ended, error }) => ended !== null && error === "ReconnectRequested"))
      yield* awaitReady

      assert.strictEqual((yield* post(pathTo(first, "rotate"))).status, 200)
      yield* next(isOf("ConnectionGone", ({ id }) => id === first))
      const second = "binance/stream#2"
      assert.strictEqual((yield* ready).status, 200)

      assert.strictEqual((yield* post(pathTo(second, "disconnect"))).status, 200)
      const { reasons } = yield* until(ready, (answer) => !answer.ready)
      assert.deepStrictEqual(reasons?.map(({ reason, streams }) => [reason, streams]), [["missing", [trades]]])
      // The feed closes a connection without streams after some seconds. It can still be connected.
      yield* until(observe.snapshot, ({ changes }) => changes.some(isOf("Connection", ({ canRotate, id }) => id === second && !canRotate)))
      assert.strictEqual((yield* post(pathTo(second, "reconnect"))).status, 200)
      yield* awaitReady

      const unknown = yield* post(pathTo("nothing", "rotate"))
      assert.deepStrictEqual([unknown.status, unknown.body], [404, `{"error":"There is no connection nothing."}`])
      assert.strictEqual((yield* post(pathTo(first, "explode"))).status, 404)
    }))
})

describe("the page", () => {
  const folder = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-"))),
    (path) => Effect.sync(() => {
      rmSync(path, { recursive: true })
    })
  )

  it.scopedLive("is the files of a folder, and nothing outside it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      mkdirSync(join(path, "page/assets"), { recursive: true })
      writeFileSync(join(path, "secret.txt"), "secret")
      writeFileSync(join(path, "page/index.html"), "<h1>page</h1>")
      writeFileSync(join(path, "page/assets/index-Bq3x9zK1.js"), "1")
      const { get } = yield* serve({ streams: [trades], page: join(path, "page") })
      const index = yield* get("/?a=1")
      assert.strictEqual(index.body, "<h1>page</h1>")
      assert.strictEqual(index.headers["content-type"], "text/html; charset=utf-8")
      assert.strictEqual(index.headers["cache-control"], "no-cache")
      assert.match(index.headers["content-security-policy"] ?? "", /default-src 'self'/)
      const script = yield* get("/assets/index-Bq3x9zK1.js")
      assert.strictEqual(script.headers["content-type"], "text/javascript; charset=utf-8")
      assert.match(script.headers["cache-control"] ?? "", /immutable/)
      for (const outside of ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets", "/index"]) {
        const { body, status } = yield* get(outside)
        assert.strictEqual(status, 404, outside)
        assert.notStrictEqual(body, "secret")
      }
    }))

  it.scopedLive("is a plain list of the routes without one", () =>
    Effect.gen(function*() {
      const { get } = yield* serve({ streams: [trades], page: "/nowhere" })
      assert.include((yield* get("/")).body, "/readyz")
    }))
})
