/**
 * Runs one plan against a feed, and returns the violations.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DialGate, Transport } from "holdfast"
import type { MarketEvent, OrderBook } from "holdfast/binance"
import { Venue } from "holdfast/binance"
import * as CommonFaults from "./CommonFaults.ts"
import * as DroppingFeed from "./DroppingFeed.ts"
import * as Invariants from "./Invariants.ts"
import * as Lies from "./Lies.ts"
import type { FeedAction, FeedPlan, Reader, ReaderKind, RestFault } from "./Plan.ts"
import { isHarmless } from "./Plan.ts"
import * as SimulatedExchange from "./SimulatedExchange.ts"
import type { Outcome } from "./Outcome.ts"
import { Livelock } from "./VirtualTime.ts"
import * as World from "./World.ts"

const policy = {
  enabled: true,
  maxRetries: "unlimited",
  initialDelay: 500,
  maxDelay: 10_000,
  backoffMultiplier: 2,
  jitterFactor: 0.25,
  stableAfter: 5_000,
  provenBy: "pong"
} as const

const giveUpAfter = 60_000
const restTimeout = 5_000
// The application restarts a failed stream after this time.
const restartAfter = 1_000
// The time from the last fault until all is whole: silence is noticed (15 s), the connection is retried (10 s, or a
// Retry-After of 20 s and a quarter), a request is given up (60 s) or a ban is waited for (120 s and more), and all missing
// events are fetched.
const healsWithin = 240_000
// A stream is whole when it has all events up to this long ago.
const freshness = 5_000
// A book must be made within this time.
const makingTakes = 20_000
// A feed asks a lagging REST interface again for 16 s.
const lagForgiven = 14_000

/** One run of a stream, from its start to its end. */
interface Reading {
  readonly reader: Reader
  readonly name: string
  readonly after: number | undefined
  readonly reads: Array<Invariants.Read>
  running: World.Running<void, unknown>
  stopped: boolean
  ended: boolean
}

interface Book {
  readonly reader: Reader
  readonly book: OrderBook.OrderBook
  readonly scope: Scope.CloseableScope
  restarting: boolean
}

const streamOf = (feed: DroppingFeed.DroppingFeed, { kind, symbol }: Reader, after: number | undefined): DroppingFeed.Events =>
  feed.stream({ name: `${symbol.toLowerCase()}@${kind}`, after, unchecked: kind === "notice" })

const isRepaired = (kind: ReaderKind) => kind === "trade" || kind === "aggTrade" || kind === "kline_1s"

// A topic that was never served ends after so many requests without an answer.
const unansweredAtLeast = 3

// What delays no answer, or only one that the library can see coming.
const answersCome: ReadonlySet<string> = new Set([
  ...["trickle", "pause", "setWall", "stop", "start", "rotate", "malformed", "repeat", "reorder", "close", "reset", "drop", "prune"],
  ...["rest", "restDown", "restLags", "mute"]
])

const answerTags: ReadonlySet<string> = new Set(["Acknowledged", "Live", "Refused", "Released"])

const isDown = (fault: RestFault) => fault.how !== "slow" && (fault.how !== "lies" || Lies.isRefused(fault.lie))

export const run = (plan: FeedPlan): Outcome => {
  const world = World.make(plan.seed)
  const { runSync, report, time } = world
  const dialLimit = { limit: 300, window: 300_000 }
  const exchange = SimulatedExchange.make({
    time,
    report,
    note: world.note,
    market: plan.market,
    streamsPerConnection: plan.streamsPerConnection,
    weightPerMinute: plan.weightPerMinute,
    maxAge: plan.serverMaxAge,
    dialLimit,
    uploadShows: 5_000 + 15_000 / 4 + 1_000
  })
  const events = new Map<string, Array<Invariants.Seen>>()
  // How often the exchange has answered each connection.
  const answers = new Map<string, number>()
  const readings: Array<Reading> = []
  const books: Array<Book> = []
  const refusals = new Set<string>()
  let leastKept = Number.POSITIVE_INFINITY
  let closing = false
  // When the exchange first served a connection. What refuses the next one is likely to pass then.
  let servedSince = Number.POSITIVE_INFINITY

  const outcome = (): Outcome => ({
    violations: world.violations,
    virtualMillis: world.elapsed(),
    exercised: world.exercised(),
    dials: exchange.dialled().length,
    messages: exchange.received().length,
    read: readings.reduce((sum, { reads }) => sum + reads.length, 0),
    gaps: readings.reduce((sum, { reads }) => sum + reads.filter(({ event }) => event.type === "gap").length, 0)
  })

  // How long the plan makes the REST interface unavailable, at most. That decides which gaps are justified.
  const unavailable = plan.steps.reduce((sum, { action }) => {
    if (action.do === "restDown" && isDown(action.fault)) return sum + action.lasts + 130_000 * Number(action.fault.how === "status")
    if (action.do === "rest" && isDown(action.fault)) return sum + action.times * (action.fault.how === "status" ? 130_000 : restTimeout + 10_000)
    if (action.do === "restDown" && action.fault.how === "slow" && action.fault.by >= restTimeout) return sum + action.lasts
    if (action.do === "rest" && action.fault.how === "slow" && action.fault.by >= restTimeout) return sum + action.times * 15_000
    return action.do === "stall" || action.do === "sleep" ? sum + action.lasts : sum
  }, plan.weightPerMinute < 6_000 ? giveUpAfter : 0)
  const rejects = plan.steps.some(({ action }) =>
    (action.do === "rest" || action.do === "restDown") && action.fault.how === "status" && action.fault.status === 400
  )
  const omits = plan.steps.some(({ action }) => action.do === "skip" || action.do === "mute" || action.do === "late") ||
    // A connection that lags behind seems to have been open for longer than it was, and so to make up for the loss of another.
    (plan.redundancy > 1 && plan.steps.some(({ action }) => action.do === "lag" || action.do === "trickle"))
  const slowest = plan.steps.reduce((sum, { action }) => action.do === "trickle" || action.do === "sleep" ? sum + action.lasts : sum, 0)
  // A refusal is an answer too, but not every refusal has an event. Nor has a late answer for a topic that nobody reads any more.
  const stops = plan.steps.some(({ action }) => action.do === "stop")
  const hasSilentAnswers = plan.steps.some(({ action }) =>
    (action.do === "acks" || action.do === "deaf") && (action.how.startsWith("refused") || (action.how === "late" && stops))
  )
  const longestLag = Math.max(0, ...plan.steps.map(({ action }) => action.do === "restLags" ? Math.min(action.by, action.lasts) : 0))

  // Whether a REST interface may lack what it is asked for again and again.
  const lacking = plan.steps.some(({ action }) =>
    (action.do === "rest" && action.fault.how === "lies" && Lies.lacks(action.fault.lie) && action.times > 3) ||
    (action.do === "restDown" && action.fault.how === "lies" && Lies.lacks(action.fault.lie) && action.lasts > 3_000))
  // A REST interface with another clock tells other times.
  const otherClock = plan.steps.some(({ action }) =>
    (action.do === "rest" || action.do === "restDown") && action.fault.how === "lies" && Lies.clockAhead(action.fault.lie) !== 0)

  const justified = (reader: Reader) => (gap: MarketEvent.Gap["data"], at: number): boolean => {
    const tape = exchange.tape(reader.symbol)
    switch (gap.cause._tag) {
      case "NotRepairable":
        return !isRepaired(reader.kind)
      case "HistoryPruned":
        switch (reader.kind) {
          case "trade":
            return gap.to !== undefined && gap.to <= tape.trades(at) - leastKept
          case "aggTrade":
            return gap.to !== undefined && gap.to <= tape.aggTrades(at) - leastKept
          default:
            return gap.to !== undefined && gap.to < at - leastKept * 1_000
        }
      case "NotServedYet":
        return longestLag > lagForgiven || lacking || (reader.kind === "kline_1s" && Number.isFinite(leastKept))
      case "GapTooLarge":
        // The newest were fetched, and these are the older ones.
        return gap.from !== undefined && gap.to !== undefined && gap.cause.limit === plan.repairLimit
      case "RepairTooLong":
        return false
      case "RestUnavailable":
      case "RestLimited":
        return unavailable >= giveUpAfter - 15_000
      case "RestRejected":
        return rejects
    }
  }

  const program = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const feed = yield* DroppingFeed.make({
      venue: {
        ...Venue.make({ ws: "ws://exchange.test", rest: "http://exchange.test" }),
        streamsPerConnection: plan.streamsPerConnection,
        weightPerMinute: plan.weightPerMinute
      },
      connection: {
        reconnect: policy,
        openTimeout: 5_000,
        messageTimeout: 15_000,
        pingInterval: 10_000,
        pongTimeout: 5_000,
        maxMessageBytes: 64 * 1024,
        inbox: plan.inbox
      },
      redundancy: plan.redundancy,
      maxAge: plan.maxAge,
      renewalTimeout: 20_000,
      buffer: plan.buffer,
      repairLimit: plan.repairLimit,
      rest: { timeout: restTimeout, giveUpAfter }
    }).pipe(
      Effect.provideService(Transport.Transport, exchange.transport),
      Effect.provideService(HttpClient.HttpClient, exchange.http),
      Effect.provideService(DialGate.DialGate, DialGate.make(Venue.spot.dials)),
      Scope.extend(scope)
    )
    return { feed, scope }
  })

  const started = world.run(program).exit()
  if (started === undefined || Exit.isFailure(started)) {
    report({ invariant: "hangs", detail: "the feed was not made" })
    return outcome()
  }
  const { feed, scope } = started.value

  // Whether an answer may be missing or late. One behind a slow message, or that a slow reader does not read, is neither.
  const mayMiss = plan.steps.some(({ action }) => !answersCome.has(action.do))
  // A topic that the exchange does not answer, while it serves others, ends after some requests.
  const unansweredRequests = new Map<string, number>()
  const noteUnanswered = (topic: string) => {
    const requests = (unansweredRequests.get(topic) ?? 0) + 1
    unansweredRequests.set(topic, requests)
    if (requests >= unansweredAtLeast) refusals.add(topic)
    if (!mayMiss) report({ invariant: "patience", detail: `the answer for ${topic} was taken for missing` })
  }
  const watching = world.run(Stream.runForEach(feed.events, (event) =>
    Effect.sync(() => {
      if (event._tag === "EventsDropped") report({ invariant: "states", detail: `${event.count} events dropped` })
      if (event._tag === "Session" && event.event._tag === "Refused" && Option.isNone(event.event.retry)) refusals.add(event.event.error.topic)
      if (event._tag === "Session" && event.event._tag === "Unanswered") event.event.topics.forEach(noteUnanswered)
      if (event._tag === "Session" && event.event._tag === "Stale" && event.event.remedy === "fail") refusals.add(event.event.topic)
      if (event._tag === "Session" && answerTags.has(event.event._tag)) {
        answers.set(event.connection, (answers.get(event.connection) ?? 0) + 1)
      }
      if (event._tag === "Session" && (event.event._tag === "Live" || event.event._tag === "Acknowledged")) {
        servedSince = Math.min(servedSince, time.now())
      }
      if (event._tag !== "Connection") return
      const known = events.get(event.connection)
      const seen = { moment: time.now(), event: event.event, pongs: exchange.pongs(), answers: hasSilentAnswers ? undefined : answers.get(event.connection) ?? 0 }
      // A `Closed` event comes from the connection and from its pool.
      if (known === undefined) events.set(event.connection, [seen])
      else if (event.event._tag !== "Closed" || known.at(-1)?.event._tag !== "Closed") known.push(seen)
    })))

  const hasFailed = () => [...events.values()].some((all) => all.some(({ event }) => event._tag === "Failed"))

  // -------------------------------------------------------------------------------------------------------------------
  // Readers

  const idOf = ({ kind }: Reader, event: MarketEvent.MarketEvent): number | undefined => {
    const { data } = event
    if (event.type === "gap") return "to" in data && typeof data.to === "number" ? data.to : undefined
    if (kind === "trade") return "t" in data && typeof data.t === "number" ? data.t : undefined
    if (kind === "aggTrade") return "a" in data && typeof data.a === "number" ? data.a : undefined
    if (kind === "kline_1s" && "k" in data && typeof data.k === "object" && data.k !== null && "x" in data.k && data.k.x === true) {
      return "T" in data.k && typeof data.k.T === "number" ? data.k.T : undefined
    }
    return undefined
  }

  const nameOf = ({ kind, symbol }: Reader) => `${symbol.toLowerCase()}@${kind}`

  const lastOf = (reading: Reading): number | undefined => {
    for (let i = reading.reads.length - 1; i >= 0; i--) {
      const read = reading.reads[i]
      const id = read === undefined ? undefined : idOf(reading.reader, read.event)
      if (id !== undefined) return id
    }
    return reading.after
  }

  const begin = (reader: Reader, after: number | undefined) => {
    if (reader.kind === "book") {
      // It may have to wait until another connection has closed.
      const made = world.run(Effect.gen(function*() {
        const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        const book = yield* Scope.extend(feed.orderBook(reader.symbol, { levels: plan.bookLevels }), own)
        books.push({ reader, book, scope: own, restarting: false })
      }))
      time.after(makingTakes, () => {
        if (made.exit() === undefined) report({ invariant: "hangs", detail: `the book of ${reader.symbol} was not made in time` })
      })
      return
    }
    const reads: Array<Invariants.Read> = []
    const reading: Reading = {
      reader,
      name: nameOf(reader),
      after: isRepaired(reader.kind) ? after : undefined,
      reads,
      running: { exit: () => undefined, interrupt: () => undefined },
      stopped: false,
      ended: false
    }
    readings.push(reading)
    const events = streamOf(feed, reader, reading.after)
    const listening = events.listen((batch) => {
      for (const event of batch) reads.push({ at: time.now(), event })
    })
    reading.running = world.run(reader.listens === true ? listening : Stream.runForEach(events, (event) => {
      reads.push({ at: time.now(), event })
      const until = paused.get(reader) ?? 0
      const wait = Math.max(reader.dawdles, until - time.now())
      return wait > 0 ? Effect.sleep(wait) : Effect.void
    }))
  }

  const paused = new Map<Reader, number>()
  const current = (reader: Reader) => readings.findLast((reading) => reading.reader === reader)

  // Restarts each failed stream from its last event, as an application does.
  const supervise = () => {
    for (const reading of readings) {
      const exit = reading.running.exit()
      if (exit === undefined || reading.ended) continue
      reading.ended = true
      if (reading.stopped) continue
      if (Exit.isSuccess(exit)) {
        if (!closing) report({ invariant: "truth", detail: `${reading.name} ended without an error` })
        continue
      }
      if (!hasFailed() && !refusals.has(reading.name)) {
        report({ invariant: "policy", detail: `${reading.name} failed, but no connection did: ${String(exit.cause)}` })
      }
      if (!closing) {
        time.after(restartAfter, () => {
          if (!closing && current(reading.reader) === reading) begin(reading.reader, lastOf(reading))
        })
      }
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Checks, every second

  const bookEnds = new Map<OrderBook.OrderBook, World.Running<void, unknown>>()
  const checkBooks = () => {
    for (const known of [...books]) {
      const { book, reader } = known
      const name = `the book of ${reader.symbol}`
      const top = runSync(Effect.either(book.top(10_000)))
      if (Exit.isSuccess(top) && top.value._tag === "Right") {
        Invariants.checkBook(exchange.tape(reader.symbol), top.value.right, name, report)
        if (exchange.open() === 0) report({ invariant: "book", detail: `${name} can be read while no connection is open` })
      } else if (Exit.isFailure(top)) {
        report({ invariant: "book", detail: `${name} cannot be read at once` })
      }
      let end = bookEnds.get(book)
      if (end === undefined) {
        end = world.run(book.ended)
        bookEnds.set(book, end)
      }
      const exit = end.exit()
      if (exit === undefined || known.restarting || closing) continue
      known.restarting = true
      if (Exit.isSuccess(exit)) report({ invariant: "book", detail: `${name} ended without an error` })
      time.after(restartAfter, () => {
        if (closing) return
        books.splice(books.indexOf(known), 1)
        world.run(Scope.close(known.scope, Exit.void))
        begin(reader, undefined)
      })
    }
  }

  const sample = () => {
    if (closing) return
    supervise()
    checkBooks()
    time.after(1_000, sample)
  }
  time.after(1_000, sample)

  // -------------------------------------------------------------------------------------------------------------------
  // The plan

  const readerOf = (index: number) => plan.readers[index % plan.readers.length]

  const act = (action: FeedAction) => {
    switch (action.do) {
      case "stop": {
        const reader = readerOf(action.reader)
        const reading = reader === undefined ? undefined : current(reader)
        if (reading === undefined || reading.ended) break
        reading.stopped = true
        reading.running.interrupt()
        break
      }
      case "start": {
        const reader = readerOf(action.reader)
        if (reader === undefined || reader.kind === "book") break
        const reading = current(reader)
        if (reading !== undefined && reading.stopped) begin(reader, action.resume ? lastOf(reading) : undefined)
        break
      }
      case "pause": {
        const reader = readerOf(action.reader)
        if (reader !== undefined) paused.set(reader, time.now() + action.lasts)
        break
      }
      case "rotate":
        world.run(feed.rotate)
        break
      case "prune":
        leastKept = Math.min(leastKept, action.keep)
        exchange.act(action)
        break
      default:
        if (CommonFaults.isCommon(action)) CommonFaults.inject({ time, network: exchange }, action)
        else exchange.act(action)
    }
    time.flush()
  }

  // Every reader must have all events up to shortly ago. Describes one that has not.
  const findIncomplete = (): string | undefined => {
    const before = time.now() - freshness
    for (const reader of plan.readers) {
      const tape = exchange.tape(reader.symbol)
      if (reader.kind === "book") {
        const known = books.find((one) => one.reader === reader)
        if (known === undefined || known.restarting) return `there is no book of ${reader.symbol}`
        const best = runSync(Effect.either(known.book.top(1)))
        if (Exit.isFailure(best) || best.value._tag === "Left") return `the book of ${reader.symbol} is stale`
        const state = tape.bookWith(best.value.right.lastUpdateId)
        const then = tape.bookAt(before)
        if (state === undefined || state.lastId < then.lastId) return `the book of ${reader.symbol} is old`
        continue
      }
      const reading = current(reader)
      if (reading === undefined || reading.stopped) continue
      if (reading.ended) return `${reading.name} has ended`
      if (reader.dawdles > 50) continue
      const last = reading.reads.at(-1)
      const latest = lastOf(reading) ?? -1
      const expected = reader.kind === "trade"
        ? tape.trades(before)
        : reader.kind === "aggTrade"
        ? tape.aggTrades(before)
        : reader.kind === "kline_1s"
        ? before - 1_000
        : undefined
      if (expected === undefined ? (last?.at ?? 0) < before : latest < expected) {
        return `${reading.name} is at ${latest}, expected ${expected ?? before}`
      }
    }
    return undefined
  }

  try {
    for (const reader of plan.readers) begin(reader, undefined)
    for (const { action, after } of plan.steps) {
      time.advance(after)
      act(action)
    }
    const timed = Math.max(0, ...plan.steps.map(({ action }) => "lasts" in action ? action.lasts : "downtime" in action ? action.downtime : 0))
    time.advance(Math.min(timed, 30_000))
    exchange.calm()
    paused.clear()
    // Waits at least 10 s: what is whole must stay so.
    let incomplete = findIncomplete()
    let waited = 0
    for (; waited < healsWithin; waited += 5_000) {
      time.advance(5_000)
      incomplete = findIncomplete()
      if (incomplete === undefined && waited >= 10_000) break
    }
    if (incomplete !== undefined) report({ invariant: "heals", detail: `${healsWithin / 1_000} s after the last fault: ${incomplete}` })
    checkBooks()
    supervise()
    // At most one connection for each stream and replica, and two while connections are renewed.
    time.advance(plan.maxAge < 300_000 ? 0 : 30_000)
    const most = plan.redundancy * plan.readers.length * (plan.maxAge < 300_000 ? 2 : 1)
    if (exchange.open() > most) report({ invariant: "leaks", detail: `${exchange.open()} sockets are open, ${most} are needed` })

    closing = true
    const closed = world.run(Scope.close(scope, Exit.void))
    time.advance(10_000)
    if (closed.exit() === undefined) report({ invariant: "hangs", detail: "the scope does not close" })
    exchange.stop()
    for (const reading of readings) {
      if (reading.running.exit() !== undefined) continue
      const dawdling = reading.reader.dawdles > 0 || (paused.get(reading.reader) ?? 0) > time.now()
      if (!dawdling) report({ invariant: "hangs", detail: `${reading.name} goes on after its feed was closed` })
      reading.running.interrupt()
    }
    if (watching.exit() === undefined) report({ invariant: "hangs", detail: "the events go on after the feed was closed" })
    watching.interrupt()
    time.advance(1_000)
    if (exchange.open() > 0 || exchange.held() > 0) {
      report({ invariant: "leaks", detail: `${exchange.open()} sockets, ${exchange.held()} dials` })
    }
    if (time.sleeping() > 0) report({ invariant: "leaks", detail: `${time.sleeping()} timers` })
    if (world.fibers() > 0) report({ invariant: "leaks", detail: `${world.fibers()} fibres` })
  } catch (error) {
    if (!(error instanceof Livelock)) throw error
    report({ invariant: "hangs", detail: error.message })
  }

  for (const reading of readings) {
    Invariants.checkReads({
      name: reading.name,
      kind: reading.reader.kind,
      tape: exchange.tape(reading.reader.symbol),
      after: reading.after,
      reads: reading.reads,
      omits,
      otherClock,
      slowest,
      justified: justified(reading.reader),
      report
    })
  }
  const harmless = plan.serverMaxAge > 300_000 && plan.inbox.overflow === "suspend" &&
    plan.readers.every(({ dawdles }) => dawdles === 0) &&
    isHarmless(plan.steps)
  if (harmless) {
    for (const { name, reads } of readings) {
      const read = reads.find(({ event }) => event.via === "rest" || event.type === "gap")
      if (read !== undefined) report({ invariant: "truth", at: read.at, detail: `${name}: nothing broke, but ${read.event.type} came by ${read.event.via}` })
    }
    for (const [name, all] of events) {
      const lost = all.find(({ event }) => event._tag === "Lost")
      if (lost !== undefined) report({ invariant: "heals", at: lost.moment, detail: `${name} was lost, but nothing broke` })
    }
  }
  // A connection waits longer from one failure to the next, so that it dials at most eight times in ten seconds. A renewal has two
  // connections, and the application restarts a stream that failed each second.
  const mostDials = 20 * plan.redundancy * plan.readers.length
  const dialled = exchange.dialled()
  const storm = dialled.findIndex((at, i) => at - (dialled[i - mostDials] ?? Number.NEGATIVE_INFINITY) < 10_000)
  if (storm >= 0) report({ invariant: "policy", at: dialled[storm] ?? 0, detail: `more than ${mostDials} dials in ten seconds` })
  for (const [name, all] of events) {
    const asked = all.find(({ event }) => event._tag === "Lost" && event.cause._tag === "ReconnectRequested")
    if (asked !== undefined) report({ invariant: "policy", at: asked.moment, detail: `${name} dials again without a wait, and nobody asked for that` })
  }
  const unanswered = plan.steps.some(({ action }) =>
    ["acks", "deaf", "lag", "vanish", "sleep", "upload", "stuck", "trickle"].includes(action.do))
  for (const [name, all] of events) {
    Invariants.checkPolicy({ name, policy, events: all, onRequest: false, unanswered, latePongs: true, isTrusted: (moment) => moment >= servedSince, report })
  }
  return outcome()
}
