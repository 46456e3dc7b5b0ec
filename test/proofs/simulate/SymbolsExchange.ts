/** A simulated Binance of many symbols, most of which are quiet, on the simulated network. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { ControlMessage } from "holdfast/binance/exchange"
import * as DroppingFeed from "./DroppingFeed.ts"
import * as Ledger from "./Ledger.ts"
import * as Lies from "./Lies.ts"
import type { RestFault } from "./Plan.ts"
import * as Network from "./SimulatedNetwork.ts"
import type { StreamFault, SymbolsAction, SymbolsPlan } from "./SymbolsPlan.ts"
import type { CommonFault } from "./CommonFaults.ts"
import type { World } from "./World.ts"

export interface SymbolsExchange extends Network.Network {
  readonly http: HttpClient.HttpClient
  readonly ledgers: ReadonlyArray<Ledger.Ledger>
  readonly crowd: ReadonlyArray<string>
  readonly isDelisted: (ledger: Ledger.Ledger) => boolean
  /** Whether the venue has refused a subscription of a stream that it has no more. */
  readonly hasRefused: (ledger: Ledger.Ledger) => boolean
  /** Since when it shows that no connection carries a stream, although it has events. Undefined: it is not so. */
  readonly deadSince: (ledger: Ledger.Ledger) => number | undefined
  /** The weight of the questions about activity in the last minute. */
  readonly activityWeight: () => number
  readonly act: (fault: Exclude<SymbolsAction, CommonFault>) => void
  readonly stop: () => void
}

const answerTakes = 30
const minute = 60_000
const weightPerMinute = 6_000
// The id of the latest trade of a symbol that never speaks.
const longAgo = 7
const betweenResets = 3 * minute

const weightOf = ({ pathname, searchParams }: URL) =>
  pathname.endsWith("/historicalTrades")
    ? 25
    : pathname.endsWith("/aggTrades")
    ? 4
    : pathname.endsWith("/klines")
    ? 2
    : pathname.endsWith("/ticker/24hr")
    ? searchParams.has("symbol") ? 2 : 80
    : pathname.endsWith("/exchangeInfo")
    ? 20
    : 5

/** The events that no connection has carried since the last one that one did. */
interface Missed {
  readonly sentAt: number
  /** The first one that shows, and the first one that shows that another subscription did not help. */
  shows: number | undefined
  showsAgain: number | undefined
}

// A stream that was subscribed again has been given so much time.
const givenTime = 25_000

/** `showsAfter`: how long after its last event a stream has been asked about, so that another event shows that it is dead. */
export const make = (world: World, plan: SymbolsPlan, showsAfter: number): SymbolsExchange => {
  const { note, report, time } = world
  const ledgers = plan.symbols.map(({ kind }, i) => Ledger.make(`S${i}USDT`, kind))
  const crowd = Array.from({ length: plan.crowd }, (_, i) => `Q${i}USDT`)
  const delisted = new Set<Ledger.Ledger>()
  const refused = new Set<Ledger.Ledger>()
  const missed = new Map<Ledger.Ledger, Missed>()
  const sentAt = new Map<Ledger.Ledger, number>()
  // The next subscription of a stream dies after so many messages.
  const dooms = new Map<string, { readonly messages: number; readonly until: "resubscribed" | "gone" }>()
  // How many messages the subscription of a stream has left on a socket.
  const left = new WeakMap<Network.Peer, Map<string, { messages: number; readonly until: "resubscribed" | "gone" }>>()
  // The streams whose subscription died, and that have had no data since.
  const died = new Map<string, "resubscribed" | "gone">()
  let running = true

  const listed = () => [...ledgers.filter((ledger) => !delisted.has(ledger)).map(({ symbol }) => symbol), ...crowd]
  const names = new Set([...ledgers.map(({ stream }) => stream), ...crowd.map((symbol) => `${symbol.toLowerCase()}@trade`)])
  const ledgerOf = (stream: string) => ledgers.find((ledger) => ledger.stream === stream)

  // -------------------------------------------------------------------------------------------------------------------
  // The sockets

  const isRefused = (stream: string) => {
    const ledger = ledgerOf(stream)
    return (ledger !== undefined && delisted.has(ledger)) || (plan.refusesWrong && !names.has(stream))
  }

  const die = (peer: Network.Peer, stream: string, until: "resubscribed" | "gone") => {
    peer.muted.set(stream, until)
    died.set(stream, until)
  }

  const subscribe = (peer: Network.Peer, stream: string) => {
    peer.streams.add(stream)
    if (peer.muted.get(stream) === "resubscribed") peer.muted.delete(stream)
    const doom = dooms.get(stream)
    if (doom === undefined) return
    dooms.delete(stream)
    const lives = left.get(peer) ?? new Map<string, { messages: number; readonly until: "resubscribed" | "gone" }>()
    left.set(peer, lives.set(stream, { ...doom }))
    if (doom.messages === 0) die(peer, stream, doom.until)
  }

  const answer = (peer: Network.Peer, text: string): string =>
    JSON.stringify(Either.match(ControlMessage.parse(text), {
      onLeft: (refusal): object => refusal,
      onRight: (request) => {
        const { id } = request
        if (request.method === "UNSUBSCRIBE") for (const stream of request.params) peer.streams.delete(stream)
        if (request.method === "SUBSCRIBE") {
          if (request.params.some(isRefused)) {
            // A subscription from before stands, until its connection is lost.
            for (const ledger of delisted) {
              if (request.params.includes(ledger.stream) && !peer.streams.has(ledger.stream)) refused.add(ledger)
            }
            return { code: 2, msg: "Invalid request: unknown stream" }
          }
          if (new Set([...peer.streams, ...request.params]).size > plan.streamsPerConnection) {
            report({ invariant: "limits", detail: `more than ${plan.streamsPerConnection} streams on one connection` })
          }
          for (const stream of request.params) subscribe(peer, stream)
        }
        return { result: null, id }
      }
    }))

  const network = Network.make({
    time,
    report,
    messagesPerSecond: 5,
    lag: 40,
    dialLimit: { limit: 300, window: 300_000 },
    obeysRetryAfter: true,
    uploadShows: 5_000 + 15_000 / 4 + 1_000,
    host: {
      refuse: () => undefined,
      onOpen: () => undefined,
      onMessage: (peer, text) => {
        peer.say(answer(peer, text))
      }
    }
  })

  const isCarriedBy = (peer: Network.Peer, { stream }: Ledger.Ledger) => peer.streams.has(stream) && !peer.muted.has(stream)

  const isCarried = (ledger: Ledger.Ledger) => network.peers().some((peer) => isCarriedBy(peer, ledger))

  const wearOut = (peer: Network.Peer, stream: string) => {
    const doomed = left.get(peer)?.get(stream)
    if (doomed === undefined || --doomed.messages > 0) return
    left.get(peer)?.delete(stream)
    die(peer, stream, doomed.until)
  }

  const miss = (ledger: Ledger.Ledger) => {
    const now = time.now()
    const known = missed.get(ledger) ?? { sentAt: sentAt.get(ledger) ?? now, shows: undefined, showsAgain: undefined }
    missed.set(ledger, known)
    if (known.shows === undefined) {
      if (now - known.sentAt >= showsAfter) known.shows = now
    } else if (now - known.shows >= givenTime + showsAfter) known.showsAgain ??= now
  }

  const isGone = ({ stream }: Ledger.Ledger) => network.peers().some(({ muted }) => muted.get(stream) === "gone")

  const send = (ledger: Ledger.Ledger, text: string | undefined) => {
    if (text === undefined) return
    const peers = network.peers().filter((peer) => isCarriedBy(peer, ledger))
    if (peers.length === 0) {
      miss(ledger)
      return
    }
    sentAt.set(ledger, time.now())
    const until = died.get(ledger.stream)
    if (missed.delete(ledger) && until !== undefined) note(`died young, and alive again: until ${until}`)
    died.delete(ledger.stream)
    for (const peer of peers) {
      peer.say(text)
      wearOut(peer, ledger.stream)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The symbols

  for (const [i, { kind, pace, quiet, speaks }] of plan.symbols.entries()) {
    const ledger = ledgers[i]
    if (ledger === undefined) continue
    let quietAt = time.now() + speaks
    const isOver = () => !running || delisted.has(ledger)
    const trade = () => {
      if (isOver()) return
      send(ledger, ledger.trade(time.now()))
      if (kind === "kline_1m") time.after(minute - (time.now() % minute), close)
      if (kind === "miniTicker") time.after(1_000 - (time.now() % 1_000), close)
      const isQuiet = quiet > 0 && time.now() >= quietAt
      if (isQuiet) quietAt = time.now() + quiet + speaks
      time.after(isQuiet ? quiet : pace, trade)
      if (isQuiet) {
        time.after(quiet - 1, () => {
          if (!isOver() && isCarried(ledger)) note("quiet")
        })
      }
    }
    const close = () => {
      if (!isOver()) send(ledger, ledger.close(time.now()))
    }
    time.after(pace, trade)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // REST

  const rest: Array<RestFault> = []
  let restDown: { readonly until: number; readonly fault: RestFault } | undefined
  const weights: Array<{ readonly at: number; readonly weight: number; readonly isActivity: boolean }> = []
  let notBefore = Number.NEGATIVE_INFINITY
  let limitedAt = Number.NEGATIVE_INFINITY

  const weightSince = (since: number, isCounted: (taken: { readonly isActivity: boolean }) => boolean) => {
    let sum = 0
    for (let i = weights.length - 1; i >= 0; i--) {
      const taken = weights[i]
      if (taken === undefined || taken.at <= since) break
      if (isCounted(taken)) sum += taken.weight
    }
    return sum
  }

  const count = (url: URL) => {
    const now = time.now()
    if (now < notBefore && now > limitedAt) report({ invariant: "limits", detail: `a REST request ${notBefore - now} ms before Retry-After had passed` })
    weights.push({ at: now, weight: weightOf(url), isActivity: url.pathname.endsWith("/ticker/24hr") })
    const used = weightSince(now - minute, () => true)
    if (used > weightPerMinute) report({ invariant: "limits", detail: `a weight of ${used} in a minute, more than ${weightPerMinute}` })
  }

  const unknownSymbol = { status: 400, text: JSON.stringify({ code: -1121, msg: "Invalid symbol." }) }

  const serve = ({ pathname, searchParams }: URL, asOf: number): { readonly status: number; readonly text: string } => {
    const ok = (body: unknown) => ({ status: 200, text: JSON.stringify(body) })
    const symbol = searchParams.get("symbol")
    if (pathname.endsWith("/exchangeInfo")) return ok({ symbols: listed().map((each) => ({ symbol: each })) })
    if (symbol !== null && !listed().includes(symbol)) return unknownSymbol
    const latest = (each: string) => {
      const ledger = ledgers.find((one) => one.symbol === each)
      return { symbol: each, lastId: ledger?.latestId() ?? longAgo }
    }
    if (pathname.endsWith("/ticker/24hr")) return ok(symbol === null ? listed().map(latest) : latest(symbol))
    if (pathname.endsWith("/depth")) return ok({ lastUpdateId: 1, bids: [], asks: [] })
    return ok(ledgers.find((one) => one.symbol === symbol)?.page(pathname, searchParams, asOf) ?? [])
  }

  const respond = (request: HttpClientRequest.HttpClientRequest, status: number, body: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = HttpClientResponse.fromWeb(request, new Response(null, { status, headers: { ...headers } }))
    // Without a promise, which would need real time.
    Object.defineProperty(response, "stream", { value: Stream.make(new TextEncoder().encode(body)) })
    return response
  }

  const execute = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function*() {
      const url = new URL(request.url)
      count(url)
      const fault = rest.shift() ?? (restDown !== undefined && time.now() < restDown.until ? restDown.fault : undefined)
      if (fault?.how === "hang") return yield* Effect.never
      if (fault?.how === "reset") return yield* new HttpClientError.RequestError({ request, reason: "Transport", description: "ECONNRESET" })
      // The answer has the state at the time of the request, however late it comes.
      const lie = fault?.how === "lies" ? fault.lie : fault?.how === "garbage" ? "html" : undefined
      const { status, text } = serve(lie === undefined ? url : Lies.asked(lie, url), time.now() - (lie === undefined ? 0 : Lies.age(lie)))
      yield* Effect.sleep(answerTakes + (fault?.how === "slow" ? fault.by : 0))
      if (fault?.how === "status") {
        const { retryAfter } = fault
        if (retryAfter !== undefined && (fault.status === 429 || fault.status === 418)) {
          limitedAt = time.now()
          notBefore = Math.max(notBefore, time.now() + retryAfter * 1_000)
        }
        return respond(request, fault.status, JSON.stringify({ code: -1003, msg: "Refused on purpose." }), retryAfter === undefined ? {} : { "retry-after": String(retryAfter) })
      }
      if (lie === undefined || status !== 200) return respond(request, status, text)
      const told = Lies.tell(lie, text)
      if (told !== text || lie === "old" || lie === "beside") note(`REST: ${lie}`)
      return respond(request, status, told)
    })

  const http = HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (request) => Effect.flatMap(request, execute),
    Effect.succeed
  )

  // -------------------------------------------------------------------------------------------------------------------
  // The faults

  const peersWith = ({ stream }: Ledger.Ledger) => network.peers().filter((peer) => peer.streams.has(stream))

  // Ids become unexpected, and do not again before it can be clear what they are.
  const renumberedAt = new Map<Ledger.Ledger, number>()
  const mayRenumber = (ledger: Ledger.Ledger) => {
    const last = renumberedAt.get(ledger)
    if (last !== undefined && time.now() - last < betweenResets) return false
    renumberedAt.set(ledger, time.now())
    return true
  }

  const injectInto = (fault: StreamFault, ledger: Ledger.Ledger) => {
    const { stream } = ledger
    switch (fault.do) {
      case "dieYoung":
        if (delisted.has(ledger)) break
        dooms.set(stream, fault)
        for (const peer of peersWith(ledger)) peer.reset()
        break
      case "renumber":
        if (fault.from > ledger.latestId() || !mayRenumber(ledger)) break
        ledger.goOnFrom(fault.from)
        note("ids begin anew")
        break
      case "leap":
        if (!mayRenumber(ledger)) break
        ledger.goOnFrom(ledger.latestId() + fault.by)
        note("ids leap")
        break
      case "rogueId": {
        const text = ledger.rogue(ledger.latestId() + fault.by, time.now())
        if (text === undefined || delisted.has(ledger) || !mayRenumber(ledger)) break
        for (const peer of peersWith(ledger)) peer.say(text)
        note("an id that is none")
        break
      }
      case "sayAgain": {
        const text = ledger.again(time.now())
        if (text === undefined) break
        for (const peer of peersWith(ledger)) peer.say(text)
        note("said again")
        break
      }
      case "delist":
        delisted.add(ledger)
        missed.delete(ledger)
        if (fault.loses) for (const peer of peersWith(ledger)) peer.reset()
        break
      case "dropTopic":
        for (const peer of peersWith(ledger)) {
          peer.streams.delete(stream)
          peer.say(DroppingFeed.dropped(stream))
          note("dropped")
        }
    }
  }

  return {
    ...network,
    http,
    ledgers,
    crowd,
    isDelisted: (ledger) => delisted.has(ledger),
    hasRefused: (ledger) => refused.has(ledger),
    deadSince: (ledger) => {
      if (isCarried(ledger)) return undefined
      const known = missed.get(ledger)
      return isGone(ledger) ? known?.showsAgain : known?.shows
    },
    activityWeight: () => weightSince(time.now() - minute, ({ isActivity }) => isActivity),
    stop: () => {
      running = false
    },
    calm: () => {
      network.calm()
      rest.length = 0
      restDown = undefined
    },
    act: (fault) => {
      switch (fault.do) {
        case "rest":
          for (let i = 0; i < fault.times; i++) rest.push(fault.fault)
          break
        case "restDown":
          restDown = { until: time.now() + fault.lasts, fault: fault.fault }
          break
        case "reset":
        case "drop":
        case "silence":
        case "vanish":
        case "repeat":
        case "skip":
          network.inject(fault)
          break
        default: {
          const ledger = ledgers[fault.symbol % ledgers.length]
          if (ledger !== undefined) injectInto(fault, ledger)
        }
      }
    }
  }
}
