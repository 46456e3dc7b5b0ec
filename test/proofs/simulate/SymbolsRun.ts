/**
 * Runs one plan of many symbols against a feed, and returns the violations: of streams that are quiet, wrong, delisted or dead,
 * of ids that begin anew, and of a REST interface that lies.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DialGate, Transport } from "holdfast"
import type { MarketEvent } from "holdfast/binance"
import { Venue } from "holdfast/binance"
import * as CommonFaults from "./CommonFaults.ts"
import * as DroppingFeed from "./DroppingFeed.ts"
import type { Ledger } from "./Ledger.ts"
import * as LedgerReader from "./LedgerReader.ts"
import * as Lies from "./Lies.ts"
import type { Outcome } from "./Outcome.ts"
import type { RestFault } from "./Plan.ts"
import * as SymbolsExchange from "./SymbolsExchange.ts"
import type { SymbolsAction, SymbolsPlan, WrongName } from "./SymbolsPlan.ts"
import { Livelock } from "./VirtualTime.ts"
import * as World from "./World.ts"

const policy = { enabled: true, maxRetries: "unlimited", initialDelay: 500, maxDelay: 10_000 } as const
const allStreams = "all streams"
const giveUpAfter = 60_000
const restTimeout = 5_000

// A stream without data is suspected after 10 s, and has been asked about for the first time within this time.
const askedWithin = 25_000
// One that is dead flows again within this time, once that shows: the next question shows it, and it is subscribed again.
const aliveWithin = 60_000
// Where that does not help, it is subscribed again on another connection.
const movedWithin = 60_000
// What events with unexpected ids are shows within this time, or REST is asked again after it.
const doubtedFor = 75_000
// Where one of several streams is refused, the others are requested again after 1, 2, 4, 8 and 16 s.
const refusedFor = 45_000
// A connection that is lost is noticed (15 s and 5 s), and dialled again (10 s, and 20 s with a proxy).
const lostFor = 35_000
// A name is looked up within this time. Where the venue cannot be asked, it is asked again a minute later.
const knownWithin = 30_000
const askedAgainAfter = 75_000
// The most weight of the questions about activity in a minute: 80 for all symbols every 5 s, and some of 2 for single ones at first.
const activityWeightAtMost = 1_020

// How long a fault of REST may delay an answer, in milliseconds.
const delayOf = (action: Extract<SymbolsAction, { readonly do: "rest" | "restDown" }>): number => {
  const { fault } = action
  // A Retry-After of 20 s, a limit until the end of the minute, or a ban of two minutes.
  const refused = fault.how === "status" ? 130_000 : 0
  return action.do === "restDown" ? action.lasts + refused + 20_000 : action.times * (fault.how === "slow" ? fault.by : restTimeout + 10_000) + refused
}

// For how long events happened. A stream that is dead shows that by what happens between two questions, and is whole again with what
// happens after it was subscribed again.
const spanOf = ({ entries }: Ledger): number => (entries.at(-1)?.at ?? 0) - (entries[0]?.at ?? 0)

const harms = (action: SymbolsAction): number => {
  switch (action.do) {
    case "rest":
    case "restDown":
      return delayOf(action)
    case "stall":
    case "sleep":
      return action.lasts + lostFor
    case "reset":
    case "drop":
    case "silence":
    case "vanish":
    // It may skip an answer, without which a connection is replaced.
    case "skip":
      return lostFor
    case "dieYoung":
      return lostFor + (action.until === "gone" ? movedWithin : 0)
    case "delist":
      return refusedFor + (action.loses ? lostFor : 0)
    case "dropTopic":
      return refusedFor
    case "renumber":
    case "leap":
    case "rogueId":
    case "sayAgain":
      return doubtedFor
    default:
      return 0
  }
}

const isUnavailable = (fault: RestFault) => fault.how !== "slow" && (fault.how !== "lies" || Lies.isRefused(fault.lie) || fault.lie === "duplicated")
const isLacking = (fault: RestFault) => fault.how === "lies" && Lies.lacks(fault.lie)

/** The reader of a wrong name. */
interface Wrong {
  readonly name: WrongName
  readonly running: World.Running<void, unknown>
}

export const run = (plan: SymbolsPlan): Outcome => {
  const world = World.make(plan.seed)
  const { note, report, time } = world
  const actions = plan.steps.map(({ action }) => action)
  const restDelay = actions.reduce((sum, action) => action.do === "rest" || action.do === "restDown" ? sum + delayOf(action) : sum, 0)
  const exchange = SymbolsExchange.make(world, plan, askedWithin + restDelay)
  const { ledgers } = exchange
  const allowed = aliveWithin + actions.reduce((sum, action) => sum + harms(action), 0) + (plan.refusesWrong && plan.wrong.length > 0 ? refusedFor : 0)

  const restFaults = actions.flatMap((action) => action.do === "rest" || action.do === "restDown" ? [action.fault] : [])
  const clocks = [...new Set(restFaults.flatMap((fault) => fault.how === "lies" ? Lies.clockAhead(fault.lie) : 0))]
  const touched = (index: number, what: ReadonlyArray<SymbolsAction["do"]>) =>
    actions.some((action) => "symbol" in action && what.includes(action.do) && action.symbol % ledgers.length === index)

  const justified = (index: number) => (cause: MarketEvent.GapCause["_tag"]): boolean => {
    const isRenumbered = touched(index, ["renumber", "leap", "rogueId"])
    switch (cause) {
      case "NotRepairable":
        return touched(index, ["renumber", "rogueId"])
      case "HistoryPruned":
      case "NotServedYet":
        return isRenumbered || restFaults.some(isLacking)
      case "RestUnavailable":
      case "RestLimited":
        return restFaults.some(isUnavailable)
      case "RestRejected":
        return touched(index, ["delist"]) || restFaults.some((fault) => fault.how === "status" && fault.status === 400)
      default:
        return false
    }
  }

  const ledgerReaders = ledgers.map((ledger, i) => LedgerReader.make({ ledger, clocks, justified: justified(i), report }))
  const readerOf = new Map(ledgers.map(({ stream }, i) => [stream, ledgerReaders[i]]))

  const outcome = (): Outcome => ({
    violations: world.violations,
    exercised: world.exercised(),
    virtualMillis: world.elapsed(),
    dials: exchange.dialled().length,
    messages: exchange.received().length,
    read: ledgerReaders.reduce((sum, { reads }) => sum + reads(), 0),
    gaps: ledgerReaders.reduce((sum, { gaps }) => sum + gaps(), 0)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // The feed

  const program = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const feed = yield* DroppingFeed.make({
      venue: { ...Venue.make({ ws: "ws://exchange.test", rest: "http://exchange.test" }), streamsPerConnection: plan.streamsPerConnection },
      connection: { reconnect: policy, openTimeout: 5_000, messageTimeout: 15_000, pingInterval: 10_000, pongTimeout: 5_000 },
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

  // -------------------------------------------------------------------------------------------------------------------
  // The readers

  let closing = false
  const endedAlone = new Map<string, string>()

  const take = (stream: string, event: MarketEvent.MarketEvent) => {
    readerOf.get(stream)?.read(event)
  }

  const nameIn = (data: object): string | undefined => "stream" in data && typeof data.stream === "string" ? data.stream : undefined

  // Of all streams as one: an event says its stream by its symbol, and a gap and an end by its name.
  const takeJoint = (event: MarketEvent.MarketEvent) => {
    if (event.type === "ended") {
      const { data } = event
      const error = "error" in data && data.error instanceof Error ? data.error.name : "?"
      endedAlone.set(nameIn(data) ?? "?", error)
      return
    }
    const stream = event.type === "gap" ? nameIn(event.data) : ledgers.find(({ symbol }) => symbol === event.symbol)?.stream
    if (stream !== undefined) take(stream, event)
  }

  const wrongRequests = plan.wrong.map((name) => ({ name, unchecked: name.endsWith("newKind") }))
  const crowd = exchange.crowd.map((symbol) => `${symbol.toLowerCase()}@trade`)
  const streams = ledgers.map(({ stream }) => stream)

  const readings: Array<{ readonly name: string; readonly running: World.Running<void, unknown> }> = []
  const wrongs: Array<Wrong> = []
  const start = (name: string, events: DroppingFeed.Events, on: (event: MarketEvent.MarketEvent) => void) => {
    const running = world.run(Stream.runForEach(events, (event) => Effect.sync(() => on(event))))
    readings.push({ name, running })
    return running
  }

  if (plan.joint) start(allStreams, feed.stream([...streams, ...crowd, ...wrongRequests]), takeJoint)
  else {
    for (const stream of streams) start(stream, feed.stream(stream), (event) => take(stream, event))
    if (crowd.length > 0) start("the quiet crowd", feed.stream(crowd), (event) => report({ invariant: "truth", detail: `a quiet symbol had ${event.type}` }))
    for (const request of wrongRequests) {
      wrongs.push({ name: request.name, running: world.run(Stream.runDrain(feed.stream(request))) })
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Checks, every second

  let seen = 0
  const receive = () => {
    const received = exchange.received()
    for (; seen < received.length; seen++) {
      const text = received[seen]?.text ?? ""
      const stream = /^\{"stream":"([^"]+)"/.exec(text)?.[1]
      if (stream !== undefined) readerOf.get(stream)?.receive(text, time.now())
    }
  }

  const mayEnd = (name: string) => {
    // It fails with the last of them.
    if (name === allStreams) return crowd.length === 0 && ledgers.every(exchange.isDelisted)
    const ledger = ledgers.find(({ stream }) => stream === name)
    return ledger === undefined ? plan.wrong.some((wrong) => wrong === name) : exchange.isDelisted(ledger)
  }

  const reported = new Set<string>()
  const once = (violation: Parameters<typeof report>[0]) => {
    if (reported.has(violation.detail)) return
    reported.add(violation.detail)
    report(violation)
  }

  const requested = streams.length + crowd.length + plan.wrong.length
  const most = Math.ceil(requested / plan.streamsPerConnection) + 1
  let silentPeers = 0

  const check = () => {
    receive()
    const now = time.now()
    for (const { name, running } of readings) {
      const exit = running.exit()
      if (exit !== undefined && !closing && !mayEnd(name)) once({ invariant: "policy", detail: `${name} ended: ${String(exit)}` })
      else if (exit !== undefined && !closing && mayEnd(name)) note("delisted, and ended")
    }
    for (const [name, error] of endedAlone) {
      if (mayEnd(name)) note(plan.wrong.some((wrong) => wrong === name) ? "a wrong name" : "delisted, and ended")
      else once({ invariant: "policy", detail: `${name} ended: ${error}` })
    }
    for (const ledger of ledgers) {
      const since = exchange.deadSince(ledger)
      if (since === undefined || exchange.isDelisted(ledger)) continue
      if (now - since > allowed) once({ invariant: "heals", detail: `${ledger.stream} has been dead for more than ${allowed / 1_000} s` })
    }
    for (const [i, ledgerReader] of ledgerReaders.entries()) {
      const ledger = ledgers[i]
      if (ledger === undefined || exchange.isDelisted(ledger)) continue
      const why = ledgerReader.behind(now - allowed)
      if (why !== undefined) once({ invariant: "heals", detail: why })
    }
    silentPeers = exchange.open() > most ? silentPeers + 1 : 0
    // A connection that is being replaced may linger.
    if (silentPeers > 10) once({ invariant: "limits", detail: `${exchange.open()} connections for ${requested} streams, more than ${most}` })
    const weight = exchange.activityWeight()
    // A request that fails is repeated.
    if (weight > activityWeightAtMost && restFaults.length === 0) once({ invariant: "limits", detail: `a weight of ${weight} in a minute for questions about silence` })
  }
  const sample = () => {
    if (closing) return
    check()
    time.after(1_000, sample)
  }
  time.after(1_000, sample)

  // -------------------------------------------------------------------------------------------------------------------

  const act = (action: SymbolsAction) => {
    if (CommonFaults.isCommon(action)) CommonFaults.inject({ time, network: exchange }, action)
    else exchange.act(action)
    time.flush()
  }

  // Without a refusal, nothing tells that a new kind does not exist.
  const mayLive = (name: WrongName) => name.endsWith("newKind") && !plan.refusesWrong

  const hasEnded = (name: WrongName) => endedAlone.has(name) || wrongs.some((wrong) => wrong.name === name && wrong.running.exit() !== undefined)

  const isRead = (ledger: Ledger) =>
    !endedAlone.has(ledger.stream) && !readings.some(({ name, running }) => (name === ledger.stream || name === allStreams) && running.exit() !== undefined)

  // A stream that the venue has no more ends when it is refused.
  const lingering = () => ledgers.find((ledger) => exchange.hasRefused(ledger) && isRead(ledger))

  // Whether all is as it must be in the end.
  const isWhole = () =>
    plan.wrong.every((name) => mayLive(name) || hasEnded(name)) && lingering() === undefined && ledgers.every((ledger, i) =>
      exchange.isDelisted(ledger) || (exchange.deadSince(ledger) === undefined && ledgerReaders[i]?.behind(time.now() - 5_000) === undefined))

  const checkWrong = (name: WrongName, end: string | undefined) => {
    if (end === undefined) {
      if (!mayLive(name)) report({ invariant: "hangs", detail: `${name} waits, although the venue does not have it` })
      return
    }
    note("a wrong name")
    // Where the list of symbols cannot be had, the venue says that there is no book of the symbol.
    const isRight = end.includes("StreamUnknown") || (plan.refusesWrong && end.includes("SubscriptionRefused")) ||
      (restFaults.length > 0 && end.includes("SubscriptionStale"))
    if (mayLive(name) || !isRight) report({ invariant: "policy", detail: `${name} ended with ${end}` })
  }

  try {
    for (const { action, after } of plan.steps) {
      time.advance(after)
      act(action)
    }
    time.advance(plan.lasts)
    exchange.calm()
    const longest = allowed + knownWithin + (restFaults.length > 0 ? askedAgainAfter : 0)
    for (let waited = 0; waited < longest; waited += 5_000) {
      time.advance(5_000)
      if (waited >= 10_000 && isWhole()) break
    }
    check()
    const left = lingering()
    if (left !== undefined) report({ invariant: "hangs", detail: `${left.stream} waits, although the venue has it no more and refuses it` })
    for (const [i, ledger] of ledgers.entries()) {
      const { kind, stream } = ledger
      if (exchange.isDelisted(ledger)) continue
      const why = ledgerReaders[i]?.behind(time.now() - 5_000)
      if (why !== undefined) report({ invariant: "heals", detail: `at the end, ${why}` })
      if (ledgerReaders[i]?.reads() === 0 && kind === "trade" && spanOf(ledger) > askedWithin + allowed) {
        report({ invariant: "heals", detail: `nothing was read of ${stream}` })
      }
    }
    if (plan.joint) for (const name of plan.wrong) checkWrong(name, endedAlone.get(name))
    else {
      for (const { name, running } of wrongs) {
        const exit = running.exit()
        checkWrong(name, exit === undefined ? undefined : String(exit))
      }
    }
    // Each connection is dialled once, and again for each fault. What is dead moves to one more.
    const dialsAtMost = most * (1 + actions.filter((action) => harms(action) > 0).length)
    if (exchange.dialled().length > dialsAtMost) report({ invariant: "limits", detail: `${exchange.dialled().length} dials, more than ${dialsAtMost}` })

    closing = true
    const closed = world.run(Scope.close(scope, Exit.void))
    time.advance(10_000)
    if (closed.exit() === undefined) report({ invariant: "hangs", detail: "the scope does not close" })
    exchange.stop()
    for (const { name, running } of [...readings, ...wrongs]) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: `${name} goes on after its feed was closed` })
      running.interrupt()
    }
    time.advance(1_000)
    if (exchange.open() > 0 || exchange.held() > 0) report({ invariant: "leaks", detail: `${exchange.open()} sockets, ${exchange.held()} dials` })
    if (time.sleeping() > 0) report({ invariant: "leaks", detail: `${time.sleeping()} timers` })
    if (world.fibers() > 0) report({ invariant: "leaks", detail: `${world.fibers()} fibres` })
  } catch (error) {
    if (!(error instanceof Livelock)) throw error
    report({ invariant: "hangs", detail: error.message })
  }
  return outcome()
}
