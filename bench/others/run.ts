// Runs one contestant against an exchange of its own: through all faults, against a server that accepts and then
// closes, and through an outage longer than its retries last.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Exchange, Fault, Market } from "holdfast/binance/exchange"
import type { Log } from "./client.ts"
import * as Client from "./client.ts"
import { script } from "./faults.ts"
import type { FaultOutcome, Verdict } from "./judge.ts"
import { judge } from "./judge.ts"
import type { About } from "./report.ts"

export interface Settings {
  readonly seed: number
  /** The time after which a fault counts as not recovered from. */
  readonly bound: Duration.Duration
}

/** The results of the run through all faults. */
export interface Faults {
  readonly about: About | undefined
  readonly verdict: Verdict
  readonly outcomes: ReadonlyArray<FaultOutcome>
}

/** The results against a server that accepts and then closes. */
export interface Storm {
  readonly dialsPerMinute: number
  /** Milliseconds from the end of the fault to the next data. Null: not within the bound. */
  readonly recovered: number | null
}

/** The results of an outage that is longer than the retries last. */
export interface LastRetry {
  /** The option that limits its retries. Null: it has none. */
  readonly limit: string | null
  /** The last notice of the client during the outage. Null: none. */
  readonly lastWord: string | null
  /** True if an earlier notice was the same: then users cannot tell the last retry from the others. */
  readonly saidBefore: boolean
  /** True if data came again, without help, once the server was back. */
  readonly returned: boolean
  /** True if data came again after the documented way to resume. Null: the client has none, or did not need it. */
  readonly revived: boolean | null
}

const instrument = Market.instruments[0]
if (instrument === undefined) throw new Error("there is no instrument")
const { symbol } = instrument

// The exchange does not drop a client without pongs, since a pulled cable brings no FIN. It does not limit dials, so that
// the contestant's own policy is measured.
const exchange = (seed: number) =>
  Exchange.make({
    seed,
    instruments: [instrument],
    tradesPerSecond: 20,
    pongTimeout: "1 hour",
    limits: { dialsPerFiveMinutes: Number.MAX_SAFE_INTEGER }
  })

const targetOf = (name: string, { restUrl, wsUrl }: Exchange.Exchange, maxRetries: number | null = null) => ({
  name,
  ws: wsUrl,
  rest: restUrl,
  symbol,
  maxRetries
})

const newestIn = (exchange: Exchange.Exchange) => (exchange.markets.get(symbol)?.trades.nextKey(1) ?? 1) - 1

const dialsOf = Effect.fnUntraced(function*(exchange: Exchange.Exchange) {
  const { accepted, refused } = yield* exchange.stats
  return accepted + refused
})

const startTimeout = Duration.minutes(1)

// Processes start one at a time, because loading code takes a whole core.
const starting = Effect.unsafeMakeSemaphore(1)

// Starts the client and waits for its first trade; results count from that trade on. Retries a failed start
// twice.
const begin = (log: Log, target: ReturnType<typeof targetOf>) =>
  Effect.gen(function*() {
    const before = log.ids.length
    for (let attempt = 0; attempt < 3; attempt++) {
      const client = yield* Client.start(log, target)
      yield* Client.until(() => log.ids.length > before || client.crashed() !== undefined, startTimeout)
      if (log.ids.length > before) return client
      log.notices.push(client.crashed() ?? "no trade came")
    }
    return yield* Effect.dieMessage(`${target.name} did not start: ${log.notices.at(-1) ?? ""}`)
  }).pipe(starting.withPermits(1))

/** Milliseconds from `since` to the first trade read after `id`. Null: none within the bound. */
const recovery = (log: Log, client: Client.Client, id: number, since: number, bound: Duration.Duration) =>
  Effect.map(
    Client.until(() => log.newest > id || client.crashed() !== undefined, bound),
    () => log.newest > id ? Math.max(0, log.newestAt - since) : null
  )

const isFlowing = (log: Log) => performance.now() - log.newestAt < 500

/** Runs a contestant through each kind of fault once. */
export const faults = (name: string, { bound, seed }: Settings, progress: (outcome: FaultOutcome) => void) =>
  Effect.scoped(Effect.gen(function*() {
    const market = yield* exchange(seed)
    const target = targetOf(name, market)
    const log = Client.emptyLog()
    let client = yield* begin(log, target)
    const first = log.ids[0] ?? 0
    const outcomes: Array<FaultOutcome> = []

    for (const { calm, kind } of script(seed)) {
      yield* Effect.sleep(calm)
      yield* Client.until(() => isFlowing(log), bound)
      let since = performance.now()
      let id = newestIn(market)
      yield* Effect.forEach(kind.faults, market.fault, { discard: true })
      if (Duration.greaterThan(kind.notice, Duration.zero)) {
        yield* Effect.sleep(kind.notice)
        since = performance.now()
        id = newestIn(market)
      }
      const recovered = yield* recovery(log, client, id, since, bound)
      const crashed = client.crashed() ?? null
      let help: FaultOutcome["help"] = "none"
      if (recovered === null && crashed === null) {
        help = "reset"
        yield* market.fault(Fault.Reset())
        if ((yield* recovery(log, client, newestIn(market), performance.now(), bound)) === null) help = "restart"
      }
      if (crashed !== null || help === "restart") {
        help = "restart"
        client = yield* begin(log, target)
      }
      const outcome: FaultOutcome = { kind: kind.name, recovered, help, crashed }
      outcomes.push(outcome)
      progress(outcome)
    }

    // Repairs get three seconds to arrive. The verdict leaves out the trades that happen meanwhile.
    const last = newestIn(market)
    yield* Client.until(() => log.newest >= last, bound)
    yield* Effect.sleep("3 seconds")
    const verdict = judge({ from: first, to: last }, log.ids, log.missing)
    const result: Faults = { about: log.about, verdict, outcomes }
    return result
  }))

/** Runs a contestant against a server that closes every connection within 5 ms, for a minute. */
export const storm = (name: string, { bound, seed }: Settings) =>
  Effect.scoped(Effect.gen(function*() {
    const market = yield* exchange(seed)
    const log = Client.emptyLog()
    const client = yield* begin(log, targetOf(name, market))
    yield* Effect.sleep("7 seconds")
    const before = yield* dialsOf(market)
    yield* market.fault(Fault.Close({ code: 1011, reason: "overloaded" })).pipe(
      Effect.repeat(Schedule.spaced("5 millis")),
      Effect.timeoutOption("1 minute")
    )
    const dialsPerMinute = (yield* dialsOf(market)) - before
    const recovered = yield* recovery(log, client, newestIn(market), performance.now(), bound)
    const result: Storm = { dialsPerMinute, recovered }
    return result
  }))

const retries = 3

/** Runs a contestant through an outage of 45 seconds, with at most three retries where they can be limited. */
export const lastRetry = (name: string, { bound, seed }: Settings) =>
  Effect.scoped(Effect.gen(function*() {
    const market = yield* exchange(seed)
    const log = Client.emptyLog()
    const client = yield* begin(log, targetOf(name, market, retries))
    yield* Effect.sleep("7 seconds")
    log.notices.length = 0
    yield* market.fault(Fault.Restart({ downtime: "45 seconds" }))
    const notices = log.notices.map((notice) => notice.replaceAll(String(market.port), "…"))
    const lastWord = notices.at(-1) ?? null
    const back = newestIn(market)
    const returned = (yield* recovery(log, client, back, performance.now(), bound)) !== null
    let revived: boolean | null = null
    if (!returned && client.crashed() === undefined) {
      yield* client.revive
      const again = yield* recovery(log, client, newestIn(market), performance.now(), Duration.seconds(30))
      revived = log.revivable ? again !== null : null
    }
    const result: LastRetry = {
      limit: log.about?.limit ?? null,
      lastWord: client.crashed() ?? lastWord,
      saidBefore: lastWord !== null && notices.slice(0, -1).includes(lastWord),
      returned,
      revived
    }
    return result
  }))
