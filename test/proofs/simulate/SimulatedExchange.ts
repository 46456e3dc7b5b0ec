/**
 * A simulated Binance on the simulated network, with the embedded exchange's markets, control messages, REST interface and
 * limits.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { ControlMessage } from "holdfast/binance/exchange"
import * as Limits from "../../../src/binance/exchange/Limits.ts"
import * as RestApi from "../../../src/binance/exchange/RestApi.ts"
import type { CommonFault } from "./CommonFaults.ts"
import * as Network from "./SimulatedNetwork.ts"
import * as DroppingFeed from "./DroppingFeed.ts"
import * as Lies from "./Lies.ts"
import type { AckFault, RestFault, ServerFault, SocketFault } from "./Plan.ts"
import * as Tape from "./Tape.ts"
import type { VirtualTime } from "./VirtualTime.ts"
import type { Report } from "./Violation.ts"

export interface SimulatedExchange extends Network.Network {
  readonly http: HttpClient.HttpClient
  readonly tape: (symbol: string) => Tape.Tape
  readonly act: (fault: SocketFault | Exclude<ServerFault, CommonFault>) => void
  /** The number of trades, aggregate trades and candles that are kept now. */
  readonly kept: () => number
  readonly stop: () => void
}

const tick = 100
// The times of answers, in milliseconds. A session does not wait for a late one.
const answerTakes = 30
const lateAnswerTakes = 7_000
const pingEvery = 20_000
const minute = 60_000
// Trades tell nothing of them.
const isUntold = /@notice/

const weightOf = (url: URL) => {
  const limit = Number(url.searchParams.get("limit"))
  if (url.pathname.endsWith("/historicalTrades")) return 25
  if (url.pathname.endsWith("/aggTrades")) return 4
  if (url.pathname.endsWith("/klines")) return 2
  if (url.pathname.endsWith("/ticker/24hr")) return url.searchParams.has("symbol") ? 2 : 80
  return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1_000 ? 50 : 250
}

export const make = (options: {
  readonly time: VirtualTime
  readonly report: Report
  readonly note: (what: string) => void
  readonly market: number
  readonly streamsPerConnection: number
  readonly weightPerMinute: number
  readonly maxAge: number
  readonly dialLimit: { readonly limit: number; readonly window: number }
  readonly uploadShows: number
}): SimulatedExchange => {
  const { report, time } = options
  const limits = Limits.make({
    messagesPerSecond: 1_000_000,
    dialsPerFiveMinutes: 1_000_000,
    streamsPerConnection: options.streamsPerConnection,
    weightPerMinute: options.weightPerMinute
  })
  const acks: Array<AckFault> = []
  let deaf: { readonly until: number; readonly how: AckFault; readonly nth: number } | undefined
  let requests = 0
  const deafness = () => {
    requests++
    return deaf !== undefined && time.now() < deaf.until && requests % deaf.nth === 0 ? deaf.how : undefined
  }
  const rest: Array<RestFault> = []
  let restDown: { readonly until: number; readonly fault: RestFault } | undefined
  let restLag = { by: 0, until: Number.NEGATIVE_INFINITY }
  let kept = 1_000_000
  let notBefore = Number.NEGATIVE_INFINITY
  let limitedAt = Number.NEGATIVE_INFINITY
  const weights: Array<{ readonly at: number; readonly weight: number }> = []

  const tape = (symbol: string) => Tape.of(symbol, options.market)
  const symbols = ["BTCUSDT", "ETHUSDT"]
  // How old the answers of REST are that lie.
  let lieAge = 0
  const lagging = () => (time.now() < restLag.until ? restLag.by : 0) + lieAge

  // -------------------------------------------------------------------------------------------------------------------
  // The sockets

  const answer = (peer: Network.Peer, text: string, how: AckFault | undefined): string =>
    JSON.stringify(Either.match(ControlMessage.parse(text), {
      onLeft: (refusal): object => refusal,
      onRight: (request) => {
        const { id } = request
        if (how === "refused") return { code: 2, msg: "Invalid request: refused on purpose" }
        if (how === "refusedWithId") return { error: { code: 4, msg: "refused on purpose" }, id }
        if (request.method === "UNSUBSCRIBE") for (const stream of request.params) peer.streams.delete(stream)
        if (request.method === "SUBSCRIBE") {
          if (new Set([...peer.streams, ...request.params]).size > options.streamsPerConnection) {
            report({ invariant: "limits", detail: `more than ${options.streamsPerConnection} streams on one connection` })
            return { error: { code: 4, msg: "Too many subscriptions" }, id }
          }
          for (const stream of request.params) {
            peer.streams.add(stream)
            if (peer.muted.get(stream) === "resubscribed") peer.muted.delete(stream)
          }
        }
        return { result: null, id }
      }
    }))

  const network = Network.make({
    time,
    report,
    messagesPerSecond: 5,
    lag: 40,
    dialLimit: options.dialLimit,
    obeysRetryAfter: true,
    uploadShows: options.uploadShows,
    host: {
      refuse: () => undefined,
      onOpen: (peer) => {
        if (peer.path !== "/stream") report({ invariant: "limits", detail: `dialled ${peer.path}` })
        time.after(options.maxAge, () => {
          peer.close(1001, "connections live for 24 hours")
        })
        const ping = () => {
          if (!peer.isOpen()) return
          // The transport answers a ping by itself.
          peer.countMessage()
          time.after(pingEvery, ping)
        }
        time.after(pingEvery, ping)
      },
      onMessage: (peer, text) => {
        const how = acks.shift() ?? deafness()
        if (how === "lost") return
        const answered = answer(peer, text, how)
        if (how === "late") time.after(lateAnswerTakes, () => peer.say(answered))
        else if (how !== "unanswered") peer.say(answered)
      }
    }
  })

  let sentSteps = 0
  let running = true
  const sendSteps = () => {
    if (!running) return
    const until = tape("BTCUSDT").stepsAt(time.now())
    for (const symbol of symbols.slice(1)) tape(symbol).stepsAt(time.now())
    for (; sentSteps < until; sentSteps++) {
      for (const peer of network.peers()) {
        for (const stream of peer.streams) {
          if (peer.muted.has(stream)) continue
          const symbol = stream.slice(0, stream.indexOf("@")).toUpperCase()
          for (const { text } of symbols.includes(symbol) ? tape(symbol).messagesOf(stream, sentSteps) : []) peer.say(text)
        }
      }
    }
    time.after(tick, sendSteps)
  }
  time.after(tick, sendSteps)

  // -------------------------------------------------------------------------------------------------------------------
  // REST

  const api = RestApi.make(
    new Map(symbols.map((symbol) => [
      symbol,
      tape(symbol).view({ asOf: () => time.now() - lagging(), kept: () => kept })
    ])),
    limits,
    () => undefined
  )

  const respond = (
    request: HttpClientRequest.HttpClientRequest,
    status: number,
    body: string,
    headers: Readonly<Record<string, string>>
  ) => {
    const response = HttpClientResponse.fromWeb(request, new Response(null, { status, headers: { ...headers } }))
    // Without a promise, which would need real time.
    Object.defineProperty(response, "stream", { value: Stream.make(new TextEncoder().encode(body)) })
    return response
  }

  const serve = (url: URL) =>
    api.pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(new Request(url))),
      Effect.scoped,
      Effect.orDie
    )

  const count = (weight: number) => {
    const now = time.now()
    // A request in the same moment as the Retry-After cannot know of it.
    if (now < notBefore && now > limitedAt) {
      report({ invariant: "limits", detail: `a REST request ${notBefore - now} ms before Retry-After had passed` })
    }
    weights.push({ at: now, weight })
    const used = weights.reduce((sum, taken) => now - taken.at < minute ? sum + taken.weight : sum, 0)
    if (used > options.weightPerMinute) {
      report({ invariant: "limits", detail: `a weight of ${used} in a minute, more than ${options.weightPerMinute}` })
    }
  }

  const limited = (status: number, retryAfter: string | undefined) => {
    if (retryAfter !== undefined && (status === 429 || status === 418)) {
      limitedAt = time.now()
      notBefore = Math.max(notBefore, time.now() + Number(retryAfter) * 1_000)
    }
  }

  const execute = (request: HttpClientRequest.HttpClientRequest) => Effect.gen(function*() {
    const url = new URL(request.url)
    count(weightOf(url))
    const down = restDown !== undefined && time.now() < restDown.until ? restDown.fault : undefined
    const fault = rest.shift() ?? down
    switch (fault?.how) {
      case "hang":
        return yield* Effect.never
      case "reset":
        return yield* new HttpClientError.RequestError({ request, reason: "Transport", description: "ECONNRESET" })
      case "garbage":
        yield* Effect.sleep(answerTakes)
        return respond(request, 200, "<html>busy</html>", {})
      case "status": {
        yield* Effect.sleep(answerTakes)
        const retryAfter = fault.retryAfter === undefined ? undefined : String(fault.retryAfter)
        limited(fault.status, retryAfter)
        return respond(
          request,
          fault.status,
          // A refusal with 403 passes, and one that knows no such symbol does not.
          JSON.stringify({ code: fault.status === 400 ? -1121 : -1003, msg: "Refused on purpose." }),
          retryAfter === undefined ? {} : { "retry-after": retryAfter }
        )
      }
    }
    // The answer has the state at the time of the request, however late it comes.
    const lie = fault?.how === "lies" ? fault.lie : undefined
    lieAge = lie === undefined ? 0 : Lies.age(lie)
    const response = yield* serve(lie === undefined ? url : Lies.asked(lie, url))
    lieAge = 0
    const { body, headers, status } = response
    yield* Effect.sleep(answerTakes + (fault?.how === "slow" ? fault.by : 0))
    limited(status, headers["retry-after"])
    const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
    if (lie === undefined || status !== 200) return respond(request, status, text, headers)
    const told = Lies.tell(lie, text)
    if (told !== text || lie === "old" || lie === "beside") options.note(`REST: ${lie}`)
    return respond(request, status, told, headers)
  })

  const http = HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (request) => Effect.flatMap(request, execute),
    Effect.succeed
  )

  // -------------------------------------------------------------------------------------------------------------------

  return {
    ...network,
    http,
    tape,
    kept: () => kept,
    stop: () => {
      running = false
    },
    calm: () => {
      network.calm()
      // A feed cannot notice that a stream was muted of which trades tell nothing.
      for (const peer of network.targets("all")) {
        for (const stream of peer.muted.keys()) {
          if (isUntold.test(stream)) peer.muted.delete(stream)
        }
      }
      acks.length = 0
      deaf = undefined
      rest.length = 0
      restDown = undefined
      restLag = { by: 0, until: Number.NEGATIVE_INFINITY }
      kept = 1_000_000
    },
    act: (fault) => {
      switch (fault.do) {
        case "acks":
          for (let i = 0; i < fault.times; i++) acks.push(fault.how)
          break
        case "deaf":
          deaf = { until: time.now() + fault.lasts, how: fault.how, nth: fault.nth }
          break
        case "shutdown":
          for (const peer of network.peers()) {
            peer.say(JSON.stringify({ stream: "!serverShutdown", data: { e: "serverShutdown", E: time.now() } }))
            time.after(fault.notice, () => {
              peer.close(1001, "the server is going away")
            })
          }
          break
        case "rest":
          for (let i = 0; i < fault.times; i++) rest.push(fault.fault)
          break
        case "restDown":
          restDown = { until: time.now() + fault.lasts, fault: fault.fault }
          break
        case "restLags":
          restLag = { by: fault.by, until: time.now() + fault.lasts }
          break
        case "prune":
          kept = fault.keep
          break
        case "dropStream":
          for (const peer of network.targets(fault.on)) {
            const streams = [...peer.streams]
            const stream = streams[fault.stream % streams.length]
            if (stream === undefined) continue
            peer.streams.delete(stream)
            peer.say(DroppingFeed.dropped(stream))
            options.note("dropped")
          }
          break
        case "mute":
          for (const peer of network.targets(fault.on)) {
            const streams = [...peer.streams]
            const stream = streams[fault.stream % streams.length]
            if (stream !== undefined) peer.muted.set(stream, fault.until)
          }
          break
        default:
          network.inject(fault)
      }
    }
  }
}
