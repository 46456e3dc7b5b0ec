/**
 * The invariants that every run must keep, each a pure function of what the run recorded. They know what the library
 * promises, and nothing of how it works.
 */
import * as Duration from "effect/Duration"
import type { ConnectionError, ConnectionEvent } from "holdfast"
import { ConnectionState, FailureClass } from "holdfast"
import type { MarketEvent, OrderBook } from "holdfast/binance"
import { Failure } from "holdfast/binance"
import { Decimal } from "holdfast/binance/exchange"
import type { ConnectionPlan, ReaderKind } from "./Plan.ts"
import type * as Tape from "./Tape.ts"
import type { Received } from "./SimulatedNetwork.ts"
import type { Report } from "./Violation.ts"

// ---------------------------------------------------------------------------------------------------------------------
// 1. Every event read is true, once and in order, and every missing range has a gap with exact bounds

export type Read = { readonly at: number; readonly event: MarketEvent.MarketEvent }

const text = (value: unknown) => JSON.stringify(value)

const isGap = (event: MarketEvent.MarketEvent): event is MarketEvent.Gap => event.type === "gap"
const gapOf = (event: MarketEvent.MarketEvent) => isGap(event) ? event.data : undefined

const field = (data: object, name: string): unknown => Object.entries(data).find(([key]) => key === name)?.[1]
const numberIn = (data: object, name: string): number => Number(field(data, name))

// The positions of a kind: those that an event covers, the next one, and how the event differs from the truth.
interface Counting {
  readonly from: (data: object) => number
  readonly to: (data: object) => number
  readonly next: (to: number) => number
  readonly differs: (data: object, via: string) => string | undefined
}

const pick = (data: object, names: ReadonlyArray<string>) => names.map((name) => field(data, name))

const same = (data: object, truth: object | undefined, names: ReadonlyArray<string>) =>
  truth !== undefined && text(pick(data, names)) === text(pick(truth, names))
    ? undefined
    : `read ${text(pick(data, names))}, true is ${truth === undefined ? "nothing" : text(pick(truth, names))}`

export const counting = (kind: ReaderKind, tape: Tape.Tape): Counting | undefined => {
  const { priceDecimals, quantityDecimals } = tape.instrument
  const price = (ticks: number) => Decimal.format(ticks, priceDecimals)
  const quantity = (lots: number) => Decimal.format(lots, quantityDecimals)
  const quote = (product: bigint) => Decimal.format(product, priceDecimals + quantityDecimals)
  switch (kind) {
    case "trade":
      return {
        from: (data) => numberIn(data, "t"),
        to: (data) => numberIn(data, "t"),
        next: (to) => to + 1,
        differs: (data, via) => {
          const trade = tape.tradeAt(numberIn(data, "t"))
          const truth = trade === undefined ? undefined : {
            p: price(trade.price),
            q: quantity(trade.quantity),
            T: trade.time,
            m: trade.buyerIsMaker
          }
          return same(data, truth, via === "other clock" ? ["p", "q", "m"] : ["p", "q", "T", "m"])
        }
      }
    case "aggTrade":
      return {
        from: (data) => numberIn(data, "a"),
        to: (data) => numberIn(data, "a"),
        next: (to) => to + 1,
        differs: (data, via) => {
          const trade = tape.aggTradeAt(numberIn(data, "a"))
          const truth = trade === undefined ? undefined : {
            p: price(trade.price),
            q: quantity(trade.quantity),
            T: trade.time,
            m: trade.buyerIsMaker,
            f: trade.firstTrade,
            l: trade.lastTrade
          }
          return same(data, truth, via === "other clock" ? ["p", "q", "m", "f", "l"] : ["p", "q", "T", "m", "f", "l"])
        }
      }
    case "kline_1s":
      return {
        from: (data) => numberIn(data, "t"),
        to: (data) => numberIn(data, "T"),
        next: (to) => to + 1,
        differs: (data, via) => {
          const candle = tape.candleAt("1s", numberIn(data, "t"))
          const truth = candle === undefined ? undefined : {
            T: candle.end - 1,
            o: price(candle.open),
            h: price(candle.high),
            l: price(candle.low),
            c: price(candle.close),
            v: quantity(candle.volume),
            n: candle.trades,
            q: quote(candle.quoteVolume),
            V: quantity(candle.takerBuyVolume),
            Q: quote(candle.takerBuyQuoteVolume),
            f: via !== "ws" ? -1 : candle.firstTrade,
            L: via !== "ws" ? -1 : candle.lastTrade
          }
          return same(data, truth, ["T", "o", "h", "l", "c", "v", "n", "q", "V", "Q", "f", "L"])
        }
      }
    case "depth@100ms":
      return {
        from: (data) => numberIn(data, "U"),
        to: (data) => numberIn(data, "u"),
        next: (to) => to + 1,
        differs: (data) => {
          const truth = tape.diffAt(numberIn(data, "u"))?.payload
          return same(data, truth, ["U", "u", "b", "a"])
        }
      }
    default:
      return undefined
  }
}

// A lost connection may be noticed only by its silence, within this time.
const noticedWithin = 40_000

// Of a kind without positions, a gap must be reported wherever an event is missing: in its place, or when the loss is
// noticed. Events of several connections may come in any order.
const checkUnordered = (reads: ReadonlyArray<Read>, slowest: number, wrong: (at: number, detail: string) => void) => {
  const ids = reads.map(({ event }) => isGap(event) ? undefined : numberIn(event.data, "t"))
  const seen = new Set(ids)
  let greatest: number | undefined
  let lastAt = -1
  for (const [i, id] of ids.entries()) {
    if (id === undefined) continue
    const missing = greatest === undefined ? undefined : Array.from({ length: Math.max(0, id - greatest - 1) }, (_, k) => id - 1 - k).find((one) => !seen.has(one))
    if (missing !== undefined) {
      const from = lastAt
      const at = reads[i]?.at ?? 0
      const isReported = reads.some((read, k) => k > from && isGap(read.event) && read.at <= at + noticedWithin + slowest)
      if (!isReported) wrong(at, `${missing} is missing without a gap`)
    }
    greatest = Math.max(id, greatest ?? id)
    lastAt = i
  }
}

/** Checks what one reader read. `after` is the position after which it was to begin. */
export const checkReads = (options: {
  readonly name: string
  readonly kind: ReaderKind
  readonly tape: Tape.Tape
  readonly after: number | undefined
  readonly reads: ReadonlyArray<Read>
  /** Whether the plan makes the clock of the REST interface differ: then the times of what it tells do. */
  readonly otherClock: boolean
  /** Whether the plan makes the exchange leave out events without breaking a connection. */
  readonly omits: boolean
  /** How long a message may take to arrive, in milliseconds. It is not lost before its connection is. */
  readonly slowest: number
  /** Whether a gap was unavoidable. */
  readonly justified: (gap: MarketEvent.Gap["data"], at: number) => boolean
  readonly report: Report
}): void => {
  const { kind, name, report, tape } = options
  const count = counting(kind, tape)
  const wrong = (at: number, detail: string) => {
    report({ invariant: "truth", at, detail: `${name}: ${detail}` })
  }
  if (kind === "notice") {
    if (!options.omits) checkUnordered(options.reads, options.slowest, wrong)
    return
  }
  if (count === undefined) {
    // Only the latest event matters: timestamps must increase, and there must be no gap.
    let latest = Number.NEGATIVE_INFINITY
    for (const { at, event } of options.reads) {
      if (isGap(event)) wrong(at, "a gap in a stream of which only the latest event matters")
      else if (event.timestamp <= latest) wrong(at, `${event.timestamp} came after ${latest}`)
      latest = event.timestamp
    }
    return
  }
  let expected = options.after === undefined ? undefined : count.next(options.after)
  let underWay = Number.NEGATIVE_INFINITY
  for (const { at, event } of options.reads) {
    const gap = gapOf(event)
    if (gap !== undefined) {
      if (gap.from === undefined || gap.to === undefined) wrong(at, "a gap without bounds")
      else {
        if (expected !== undefined && gap.from !== expected) wrong(at, `a gap from ${gap.from}, expected from ${expected}`)
        if (gap.to < gap.from) wrong(at, `a gap from ${gap.from} to ${gap.to}`)
        expected = gap.to + 1
        if (!options.justified(gap, at)) {
          wrong(at, `an avoidable gap from ${gap.from} to ${gap.to}: ${gap.cause.message}`)
        }
      }
      continue
    }
    const data = kind === "kline_1s" ? field(event.data, "k") : event.data
    if (typeof data !== "object" || data === null) {
      wrong(at, `an event without data: ${text(event)}`)
      continue
    }
    const [from, to] = [count.from(data), count.to(data)]
    expected ??= from
    if (from !== expected) wrong(at, from < expected ? `${from} was repeated, expected ${expected}` : `${from} came, expected ${expected}`)
    if (kind === "kline_1s" && field(data, "x") !== true) {
      // A candle under way: each version must be newer than the last.
      if (event.timestamp <= underWay) wrong(at, `the candle of ${event.timestamp} came after that of ${underWay}`)
      underWay = event.timestamp
      expected = from
      continue
    }
    const difference = count.differs(data, event.via === "rest" && options.otherClock ? "other clock" : event.via)
    if (difference !== undefined) wrong(at, `${from} is wrong: ${difference}`)
    expected = count.next(to)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// 2. A book that can be read is right

const formatted = new WeakMap<Tape.BookState, { readonly bids: ReadonlyArray<string>; readonly asks: ReadonlyArray<string> }>()

const levelsOf = (tape: Tape.Tape, state: Tape.BookState) => {
  const known = formatted.get(state)
  if (known !== undefined) return known
  const { priceDecimals, quantityDecimals } = tape.instrument
  const of = (levels: ReadonlyArray<readonly [number, number]>) =>
    levels.map(([price, quantity]) => `${Decimal.format(price, priceDecimals)} ${Decimal.format(quantity, quantityDecimals)}`)
  const levels = { bids: of(state.bids), asks: of(state.asks) }
  formatted.set(state, levels)
  return levels
}

export const checkBook = (tape: Tape.Tape, top: OrderBook.Top, name: string, report: Report): void => {
  const truth = tape.bookWith(top.lastUpdateId)
  if (truth === undefined) {
    report({ invariant: "book", detail: `${name}: its last update, ${top.lastUpdateId}, never existed` })
    return
  }
  const levels = levelsOf(tape, truth)
  for (const side of ["bids", "asks"] as const) {
    const wrong = top[side].findIndex(([price, quantity], i) => levels[side][i] !== `${price} ${quantity}`)
    if (wrong >= 0) {
      report({
        invariant: "book",
        detail: `${name}: at update ${top.lastUpdateId}, number ${wrong + 1} of the ${side} is ${text(top[side][wrong])}, ` +
          `true is ${levels[side][wrong] ?? "nothing"}`
      })
    }
  }
}

/** An event of a connection, and when it was seen in the time of the world. The wall clock of the process may be wrong. */
export interface Seen {
  readonly moment: number
  readonly event: ConnectionEvent.ConnectionEvent
  /** The number of pongs that had arrived on all sockets. */
  readonly pongs: number
  /** How often the peer had answered the session of the connection, if it has one. */
  readonly answers?: number | undefined
  /** How often the session had asked it. Undefined: it asks on every connection. */
  readonly asked?: number
}

// ---------------------------------------------------------------------------------------------------------------------
// 3. States change only as allowed, and `state`, `changes` and `events` agree

const onRequest = "Reconnecting on request"

const ofEvent = (event: ConnectionEvent.ConnectionEvent): string | undefined => {
  switch (event._tag) {
    case "Dialling":
      return `Connecting ${event.attempt}`
    case "Opened":
      return `Connected ${event.epoch}`
    case "Lost":
      return event.cause._tag === "ReconnectRequested" ? onRequest : undefined
    case "Waiting":
      return `Reconnecting ${event.attempt} until ${event.until}`
    case "Disconnected":
    case "Failed":
    case "Closed":
      return event._tag
    default:
      return undefined
  }
}

// Whether a connection that is stopped while it closes has decided to reconnect before depends on which came first.
const withoutStopped = (labels: ReadonlyArray<string>) =>
  labels.filter((label, i) => label !== onRequest || labels[i + 1]?.startsWith("Connecting") === true)

const ofState = (state: ConnectionState.ConnectionState): string => {
  switch (state._tag) {
    case "Connecting":
      return `Connecting ${state.attempt}`
    case "Connected":
      return `Connected ${state.epoch}`
    case "Reconnecting":
      return state.cause._tag === "ReconnectRequested"
        ? onRequest
        : `Reconnecting ${state.attempt} until ${state.nextDialAt}`
    default:
      return state._tag
  }
}

export const checkStates = (options: {
  readonly changes: ReadonlyArray<ConnectionState.ConnectionState>
  readonly events: ReadonlyArray<ConnectionEvent.ConnectionEvent>
  readonly state: ConnectionState.ConnectionState
  readonly report: Report
}): void => {
  const { changes, events, report, state } = options
  changes.forEach((next, i) => {
    const before = changes[i - 1]
    if (before !== undefined && !ConnectionState.isLegal(before._tag, next._tag)) {
      report({ invariant: "states", detail: `${next._tag} followed ${before._tag}` })
    }
  })
  if (changes.at(-1) !== state) {
    report({ invariant: "states", detail: `the state is ${state._tag}, the last change was to ${changes.at(-1)?._tag ?? "nothing"}` })
  }
  const byEvents = withoutStopped(events.map(ofEvent).filter((label) => label !== undefined))
  const byChanges = withoutStopped(changes.map(ofState))
  const differs = byChanges.findIndex((label, i) => label !== byEvents[i])
  if (differs >= 0 || byEvents.length !== byChanges.length) {
    const at = differs >= 0 ? differs : byChanges.length
    report({
      invariant: "states",
      detail: `state ${at} is "${byChanges[at] ?? "none"}" by the changes and "${byEvents[at] ?? "none"}" by the events`
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// 4. Every wait obeys the policy, the retries are counted exactly, and a fatal failure is never retried

type Policy = ConnectionPlan["reconnect"]

const factsOf = (cause: ConnectionError.AttemptError | ConnectionError.ReconnectRequested): string => {
  switch (cause._tag) {
    case "ConnectionClosed":
    case "DialFailed":
      return `${cause._tag} ${cause.code}`
    case "HandshakeRejected":
      return `${cause._tag} ${cause.status}`
    case "ConnectionTimeout":
      return `${cause._tag} ${cause.deadline}`
    default:
      return cause._tag
  }
}

// Why a failure that has come `count` times in the outage must end the connection.
const forbids = (failureClass: FailureClass.FailureClass, count: number, hasBeenProven: boolean) => {
  if (failureClass._tag === "Fatal") return "fatal"
  if (failureClass._tag === "Passing" && failureClass.tries === 0) return hasBeenProven ? undefined : "fatal"
  const isLimited = failureClass._tag === "Limited" || (failureClass._tag === "Passing" && !hasBeenProven)
  return isLimited && count > failureClass.tries ? "limited" : undefined
}

export const checkPolicy = (options: {
  readonly name: string
  readonly policy: Policy
  readonly events: ReadonlyArray<Seen>
  /** Whether the plan has the user ask for dials, which may then begin before the wait is over. */
  readonly onRequest: boolean
  /** Whether the plan may keep a peer from answering requests. A session that nobody has answered is not proven. */
  readonly unanswered: boolean
  /** Whether the plan may delay pongs beyond their deadline. Such a pong proves nothing. */
  readonly latePongs: boolean
  /** Whether another connection may have shown that the server serves us. */
  readonly isTrusted?: (moment: number) => boolean
  readonly report: Report
}): void => {
  const { events, isTrusted = () => false, policy } = options
  let attempt = 0
  let counts = new Map<string, number>()
  let pending: ConnectionError.AttemptError | undefined
  let until = Number.NEGATIVE_INFINITY
  let open = false
  let over = true
  let epoch = 0
  let failures = 0
  let hasBeenProven = false
  let pongsBefore = 0
  let answersBefore: number | undefined
  let askedBefore = 0

  for (const { answers, asked = Number.POSITIVE_INFINITY, event, moment, pongs } of events) {
    const wrong = (detail: string) => {
      options.report({ invariant: "policy", at: moment, detail: `${options.name}: ${detail}` })
    }
    const fail = (cause: ConnectionError.AttemptError) => {
      pending = cause
      failures++
      counts.set(factsOf(cause), (counts.get(factsOf(cause)) ?? 0) + 1)
    }
    switch (event._tag) {
      case "Dialling":
        if (over) {
          attempt = 0
          counts = new Map()
          failures = 0
          over = false
          hasBeenProven = false
        }
        if (pending !== undefined) wrong("a dial without a decision")
        if (event.attempt !== attempt) wrong(`dialled as retry ${event.attempt}, expected ${attempt}`)
        if (moment < until && !options.onRequest) wrong(`dialled ${until - moment} ms early`)
        until = Number.NEGATIVE_INFINITY
        break
      case "Opened":
        epoch++
        if (event.epoch !== epoch) wrong(`epoch ${event.epoch}, expected ${epoch}`)
        if (open) wrong("opened twice")
        open = true
        pongsBefore = pongs
        answersBefore = answers
        askedBefore = asked === Number.POSITIVE_INFINITY ? 0 : asked
        break
      case "AttemptFailed":
        if (open) wrong("a dial failed while a connection was open")
        fail(event.cause)
        break
      case "Lost": {
        if (!open) wrong("lost without being open")
        open = false
        const byPong = policy.provenBy === "pong" && pongs > pongsBefore
        const mayBeProven = Duration.toMillis(event.openFor) >= policy.stableAfter && (policy.provenBy === "open" || event.messages > 0 || byPong)
        const isUncertain = options.unanswered || (options.latePongs && byPong && event.messages === 0)
        if (event.proven !== mayBeProven && (event.proven || !isUncertain)) wrong(`proven is ${event.proven}`)
        if (event.proven && answers !== undefined && answers === answersBefore && asked > askedBefore) wrong("proven, though the peer has answered nothing")
        if (event.proven) {
          hasBeenProven = true
          attempt = 0
          counts = new Map()
          failures = 0
        }
        if (event.cause._tag !== "ReconnectRequested") fail(event.cause)
        break
      }
      case "Waiting": {
        if (pending === undefined) {
          wrong("a wait without a failure")
          break
        }
        if (event.cause !== pending) wrong("the cause of the wait is not the failure")
        const standard = Failure.classify(pending, FailureClass.classify(pending))
        attempt++
        const most = policy.maxRetries === "unlimited" ? Number.POSITIVE_INFINITY : policy.maxRetries
        if (!policy.enabled) wrong("a retry, though retries are disabled")
        if (forbids(standard, counts.get(factsOf(pending)) ?? 0, hasBeenProven || isTrusted(moment)) !== undefined) {
          wrong(`a retry after "${pending.message}", its failure number ${counts.get(factsOf(pending)) ?? 0}`)
        }
        if (attempt > most) wrong(`retry ${attempt} of ${most}`)
        if (event.attempt !== attempt) wrong(`numbered retry ${event.attempt}, expected ${attempt}`)
        if (event.retriesLeft !== (policy.maxRetries === "unlimited" ? "unlimited" : policy.maxRetries - attempt)) {
          wrong(`${event.retriesLeft} retries left`)
        }
        const base = Math.min(policy.initialDelay * policy.backoffMultiplier ** (attempt - 1), policy.maxDelay)
        const least = base * (1 - policy.jitterFactor)
        const highest = Math.min(base * (1 + policy.jitterFactor), policy.maxDelay)
        const floor = standard._tag === "RetryAfter" ? Duration.toMillis(standard.floor) : 0
        const delay = Duration.toMillis(event.delay)
        // Durations are kept in whole nanoseconds.
        const slack = 0.01
        if (delay < Math.max(least, floor) - slack) wrong(`waits ${delay} ms, less than ${Math.max(least, floor)}`)
        if (delay > Math.max(highest, floor * (1 + policy.jitterFactor)) + slack) {
          wrong(`waits ${delay} ms, more than ${Math.max(highest, floor * (1 + policy.jitterFactor))}`)
        }
        if (Math.abs(event.until - event.at - delay) > slack) wrong(`waits ${delay} ms from ${event.at} to ${event.until}`)
        until = moment + delay
        pending = undefined
        break
      }
      case "Failed": {
        if (pending === undefined) {
          wrong("failed without a cause")
          break
        }
        const standard = Failure.classify(pending, FailureClass.classify(pending))
        const because = !policy.enabled
          ? "disabled"
          : forbids(standard, counts.get(factsOf(pending)) ?? 0, hasBeenProven || isTrusted(moment)) ??
            (attempt === policy.maxRetries ? "exhausted" : "nothing")
        if (event.because !== because) wrong(`failed as ${event.because} after "${pending.message}", expected ${because}`)
        if (event.error._tag === "RetriesExhausted") {
          if (event.error.attempts !== attempt) wrong(`exhausted after ${event.error.attempts} retries, expected ${attempt}`)
          if (event.error.history.length !== Math.min(failures, 100)) wrong(`a history of ${event.error.history.length} for ${failures} failures`)
        } else if (event.error !== pending) wrong("the error is not the failure")
        pending = undefined
        over = true
        break
      }
      case "Disconnected":
      case "Closed":
        open = false
        over = true
        pending = undefined
        until = Number.NEGATIVE_INFINITY
    }
  }
}

/** The dials are those of the events. With a dial gate, a dial may be later than its event. */
export const checkDials = (
  dialled: ReadonlyArray<number>,
  events: ReadonlyArray<Seen>,
  gated: boolean,
  report: Report
): void => {
  const announced = events.filter(({ event }) => event._tag === "Dialling").map(({ moment }) => moment)
  const differs = gated
    // A dial that is stopped while it waits at the gate is not made.
    ? dialled.length > announced.length || dialled.some((at) => !announced.some((then) => then <= at))
    : text(announced) !== text(dialled)
  if (differs) report({ invariant: "policy", detail: `dialled at ${text(dialled)}, announced at ${text(announced)}` })
}

// ---------------------------------------------------------------------------------------------------------------------
// 1 and 7 of a bare connection: every message read from a socket is delivered once and in order, or counted as dropped

export type Item =
  | { readonly _tag: "Data"; readonly text: string }
  | { readonly _tag: "Gap"; readonly dropped: number; readonly cause: string }

export const checkItems = (options: {
  readonly received: ReadonlyArray<Received>
  /** The items of each reading, from one `connect` to the next. */
  readonly readings: ReadonlyArray<ReadonlyArray<Item>>
  /** Whether all messages must be delivered. Not with a handshake: when it fails, its messages are lost. */
  readonly all: boolean
  readonly report: Report
}): void => {
  const { received, report } = options
  const wrong = (detail: string) => {
    report({ invariant: "truth", detail })
  }
  let next = 0
  let dropped = 0
  let gap: string | undefined
  let last: number | undefined
  const all = options.readings.flatMap((items) => [undefined, ...items])
  for (const item of all) {
    if (item === undefined) {
      // A `connect` starts afresh.
      last = undefined
      gap = undefined
      dropped = 0
      continue
    }
    if (item._tag === "Gap") {
      dropped += item.dropped
      gap = item.cause
      continue
    }
    let found = next
    while (found < received.length && received[found]?.text !== item.text) found++
    if (found === received.length) {
      wrong(`"${item.text.slice(0, 40)}" was not read from a socket, or was repeated`)
      return
    }
    const peer = received[found]?.peer
    const missing = found - next
    if (missing > 0 && gap === undefined && last !== undefined) wrong(`${missing} messages are missing without a gap`)
    if (last !== undefined && peer !== last && gap === undefined) wrong("a new connection without a gap before it")
    if (options.all && dropped !== missing && last !== undefined) wrong(`${missing} messages are missing, the gap has ${dropped}`)
    if (!options.all && dropped > missing) wrong(`${missing} messages are missing, the gap has ${dropped}`)
    if (gap !== undefined && missing === 0 && peer === last) wrong(`a gap, but no message is missing: ${gap}`)
    next = found + 1
    last = peer
    dropped = 0
    gap = undefined
  }
}

