// Looks at feeds, connections and books: keeps the board of what is known, samples the gauges, and carries out what is asked of a
// connection.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Connection } from "../../Connection.ts"
import type { ConnectionState } from "../../ConnectionState.ts"
import type { FeedConnection, StreamStatus } from "../../market/MarketFeed.ts"
import * as Message from "../../observe/Message.ts"
import * as Metrics from "../../observe/Metrics.ts"
import type { Observe, Options } from "../../observe/Observe.ts"
import { ConnectionUnknown, NotPossible } from "../../observe/ObserveError.ts"
import { Board } from "./board.ts"
import { Gauges, sums } from "./gauges.ts"
import { History } from "./history.ts"
import type { Known } from "./readiness.ts"
import { reasonsOf } from "./readiness.ts"
import * as Traffic from "./traffic.ts"

const samplingInterval = Duration.seconds(2)
// Of the traffic: ten minutes.
const samplesHeld = 300
// The streams of the connections are looked at this often, in milliseconds. There may be thousands.
const streamsEvery = 1_000
// A look serves all questions of this time, in milliseconds.
const fresh = 100
const namesAtMost = 20

/** A connection, as it is now. */
interface Seen {
  readonly id: string
  readonly source: string
  readonly connection: Connection
  readonly state: ConnectionState
  readonly streams: ReadonlyArray<StreamStatus>
  readonly rotate: Effect.Effect<boolean> | undefined
}

const noStreams: ReadonlyArray<StreamStatus> = []

const factsOf = (state: ConnectionState) =>
  state._tag === "Reconnecting"
    ? { attempt: state.attempt, nextDialAt: state.nextDialAt, reason: state.cause.message }
    : {
      attempt: state._tag === "Connecting" ? state.attempt : null,
      nextDialAt: null,
      reason: state._tag === "Failed" ? state.error.message : null
    }

const countsOf = (streams: ReadonlyArray<StreamStatus>) => {
  const counts = { requested: 0, acknowledged: 0, live: 0, stale: 0 }
  for (const { status } of streams) counts[status]++
  return counts
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const { bookLevels = 10, books = [], connections = {}, feeds = [], history: most = 200, resume, desired = [], whyEnded = () => undefined } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const startedAt = now()
  const board = new Board()
  const history = new History(board, most)
  const gauges = new Gauges()
  // Several feeds may have the same venue.
  const prefixes = feeds.map(({ source }, i) => feeds.findIndex((other) => other.source === source) === i ? source : `${source}-${i + 1}`)

  let seen: ReadonlyArray<Seen> = []
  let streamsSeenAt = Number.NEGATIVE_INFINITY
  let seenAt = Number.NEGATIVE_INFINITY
  // The connections of feeds that were disconnected on request. A feed closes them, and their streams end.
  const held = new Map<string, Message.Connection>()

  // -------------------------------------------------------------------------------------------------------------------
  // Looking

  const seenOfFeed = (source: string, prefix: string, { connection, name, rotate, streams }: FeedConnection, withStreams: boolean) =>
    Effect.gen(function*() {
      const id = `${prefix}${name}`
      const known = withStreams ? undefined : seen.find((other) => other.id === id)
      const current: Seen = {
        id,
        source,
        connection,
        state: yield* connection.state,
        streams: known?.streams ?? (yield* streams),
        rotate
      }
      return current
    })

  const seenOf = (id: string, connection: Connection) =>
    Effect.map(connection.state, (state): Seen => ({ id, source: "", connection, state, streams: noStreams, rotate: undefined }))

  const look = (withStreams: boolean) =>
    Effect.gen(function*() {
      const ofFeeds = yield* Effect.forEach(feeds, (feed, i) =>
        Effect.flatMap(feed.connections, (all) =>
          Effect.forEach(all, (each) => seenOfFeed(feed.source, prefixes[i] ?? feed.source, each, withStreams))))
      const alone = yield* Effect.forEach(Object.entries(connections), ([id, connection]) => seenOf(id, connection))
      return [...ofFeeds.flat(), ...alone]
    })

  const isStale = ({ lastData, status, topic }: StreamStatus) =>
    status === "stale" || history.isStale(topic, Option.getOrUndefined(lastData))

  const fieldsOf = ({ id, rotate, source, state, streams }: Seen) => {
    const down = history.downOf(id)
    const facts = factsOf(state)
    return {
      id,
      source,
      state: state._tag,
      since: state.since,
      downSince: state._tag === "Connected" ? null : down?.since ?? state.since,
      ...facts,
      reason: state._tag === "Connected" ? null : facts.reason ?? down?.reason ?? null,
      streams: countsOf(streams),
      unready: streams.filter((stream) => stream.status !== "live" || isStale(stream)).slice(0, namesAtMost).map(({ topic }) => topic),
      canRotate: rotate !== undefined
    }
  }

  const post = (current: ReadonlyArray<Seen>) => {
    const ids = new Set<string>()
    for (const each of current) {
      ids.add(each.id)
      board.set(`connection:${each.id}`, new Message.Connection(fieldsOf(each)))
    }
    for (const [id, last] of held) {
      if (!ids.has(id)) board.set(`connection:${id}`, last)
      ids.add(id)
    }
    for (const key of board.keys("connection:")) {
      const id = key.slice("connection:".length)
      if (ids.has(id)) continue
      history.forget(id)
      board.remove(key, new Message.ConnectionGone({ id }))
    }
  }

  const postBooks = Effect.forEach(books, (book) =>
    Effect.map(Effect.either(book.top(bookLevels)), (top) => {
      const { symbol } = book
      const stale = Either.isLeft(top) ? top.left.reason : undefined
      board.set(
        `book:${symbol}`,
        new Message.Book({
          symbol,
          stale: stale ?? null,
          lastUpdateId: Either.isRight(top) ? top.right.lastUpdateId : null,
          bids: Either.isRight(top) ? top.right.bids : [],
          asks: Either.isRight(top) ? top.right.asks : []
        })
      )
      return { symbol, stale }
    }))

  const postHosts = Effect.forEach(feeds, ({ budget, hosts, source }) =>
    Effect.gen(function*() {
      for (const { heldFor, host, limit, ...facts } of yield* hosts) {
        board.set(`gate:${host}`, new Message.Gate({ host, ...facts, limit: limit ?? null, heldFor: Math.round(Duration.toMillis(heldFor)) }))
      }
      const used = yield* budget
      if (used === undefined) return []
      const heldFor = Math.round(Duration.toMillis(used.heldFor))
      board.set(`budget:${source}`, new Message.Budget({ source, used: used.used, limit: used.limit, heldFor }))
      return [{ source, ...used }]
    }))

  const knownOf = (current: ReadonlyArray<Seen>, states: Known["books"]): Known => ({
    desired,
    whyEnded,
    books: states,
    connections: current.map(({ id, rotate, state, streams }) => ({
      id,
      isOpen: state._tag === "Connected",
      reason: factsOf(state).reason ?? history.downOf(id)?.reason,
      state: state._tag,
      // A feed gives a connection up with its streams.
      isDesired: rotate === undefined || state._tag === "Failed",
      streams: streams.map((stream) => ({
        name: stream.topic,
        isAcknowledged: stream.status !== "requested",
        isStale: isStale(stream)
      }))
    }))
  })

  const refresh = Effect.gen(function*() {
    const at = now()
    if (at - seenAt < fresh && at >= seenAt) return
    const withStreams = at - streamsSeenAt >= streamsEvery || at < streamsSeenAt
    seen = yield* look(withStreams)
    if (withStreams) {
      streamsSeenAt = at
      history.carried(new Map(seen.flatMap(({ id, streams }) => streams.map(({ topic }) => [topic, id]))))
    }
    seenAt = at
    post(seen)
    yield* postHosts
  })

  const readiness = Effect.gen(function*() {
    // The streams too: they decide.
    streamsSeenAt = seenAt = Number.NEGATIVE_INFINITY
    yield* refresh
    const reasons = reasonsOf(knownOf(seen, yield* postBooks))
    const change = new Message.Readiness({ ready: reasons.length === 0, reasons })
    board.set("readiness", change)
    return change
  })

  // -------------------------------------------------------------------------------------------------------------------
  // Gauges

  const sample = Effect.gen(function*() {
    const { ready, reasons } = yield* readiness
    const at = now()
    gauges.set(Metrics.connectionStates, sums(seen.map(({ state }) => [{ state: state._tag.toLowerCase() }, 1])))
    const ages = seen.map(({ id, state, streams, rotate }) => {
      const isDesired = rotate === undefined || streams.length > 0 || state._tag === "Failed"
      return state._tag === "Connected" || !isDesired ? 0 : (at - (history.downOf(id)?.since ?? state.since)) / 1_000
    })
    gauges.set(Metrics.outageAge, [[{}, Math.max(0, ...ages)]])
    const streams = seen.flatMap(({ source, streams }) =>
      streams.map((stream) => ({ ...stream, labels: { "market.source": source, "market.kind": stream.kind }, isStale: isStale(stream) })))
    gauges.set(Metrics.streams, sums(streams.map(({ isStale, labels, status }) => [{ ...labels, status: isStale ? "stale" : status }, 1])))
    gauges.set(
      Metrics.streamIdle,
      sums(streams.map(({ labels, lastData, since }) => [labels, Math.max(0, at - Option.getOrElse(lastData, () => since)) / 1_000]), Math.max)
    )
    gauges.set(Metrics.books, sums((yield* postBooks).map(({ stale }) => [{ state: stale === undefined ? "synced" : "stale" }, 1])))
    const budgets = (yield* postHosts).flat()
    const bySource = (value: (of: (typeof budgets)[number]) => number) =>
      budgets.map((budget) => [{ "market.source": budget.source }, value(budget)] as const)
    gauges.set(Metrics.restBudgetUsed, bySource(({ used }) => used))
    gauges.set(Metrics.restBudgetLimit, bySource(({ limit }) => limit))
    gauges.set(Metrics.restHeld, bySource(({ heldFor }) => Duration.toSeconds(heldFor)))
    gauges.set(Metrics.ready, [[{}, ready ? 1 : 0]])
    gauges.set(Metrics.unready, sums(reasons.map(({ reason }) => [{ reason }, 1])))
  })

  const samples: Array<string> = []
  const sampleTraffic = Effect.sync(() => {
    const traffic = Traffic.at(now())
    const key = `traffic:${traffic.at}`
    board.set(key, traffic)
    samples.push(key)
    if (samples.length > samplesHeld) board.remove(samples.shift() ?? "")
  })

  // -------------------------------------------------------------------------------------------------------------------
  // What is asked of a connection

  const find = (id: string) =>
    Effect.flatMap(look(true), (current): Effect.Effect<Seen, ConnectionUnknown> => {
      const found = current.find((each) => each.id === id)
      return found === undefined ? new ConnectionUnknown({ id }) : Effect.succeed(found)
    })

  const isEnded = ({ state }: Seen) => state._tag === "Disconnected" || state._tag === "Failed"

  const readAgain = (id: string) =>
    resume === undefined
      ? new NotPossible({ id, reason: "Its streams have ended, and this program does not read them again." })
      : Effect.zipRight(Effect.sync(() => held.delete(id)), resume)

  const observe: Observe = {
    startedAt,
    readiness,
    sample,
    news: (since) => Effect.map(Effect.zipRight(refresh, postBooks), () => ({ ...board.since(since), at: now() })),
    snapshot: Effect.map(Effect.zipRight(sample, Effect.sync(() => board.since(undefined))), ({ changes }) =>
      new Message.Snapshot({ version: 1, at: now(), startedAt, changes })),
    reconnect: (id) =>
      Effect.suspend(() =>
        held.has(id)
          ? readAgain(id)
          : Effect.flatMap(find(id), (found): Effect.Effect<void, NotPossible> => {
            if (isEnded(found) && found.rotate !== undefined) return readAgain(id)
            const { connect, reconnect } = found.connection
            return (isEnded(found) ? connect : reconnect("The observer was asked to.")).pipe(
              Effect.mapError(({ message }) => new NotPossible({ id, reason: message }))
            )
          })
      ),
    rotate: (id) =>
      Effect.flatMap(find(id), ({ rotate }) =>
        Effect.flatMap(rotate ?? Effect.succeed(undefined), (renewed): Effect.Effect<void, NotPossible> => {
          if (renewed === true) return Effect.void
          const reason = renewed === undefined
            ? "Only connections of a feed can be renewed."
            : "Its successor did not prove itself, or it is being renewed already."
          return new NotPossible({ id, reason })
        })),
    disconnect: (id) =>
      Effect.flatMap(find(id), (found) =>
        Effect.zipRight(
          Effect.sync(() => {
            if (found.rotate === undefined) return
            const since = now()
            held.set(id, new Message.Connection({
              ...fieldsOf(found),
              state: "Disconnected",
              since,
              downSince: since,
              attempt: null,
              nextDialAt: null,
              reason: "It was disconnected on request.",
              streams: countsOf([]),
              unready: [],
              canRotate: false
            }))
          }),
          found.connection.disconnect
        ))
  }

  for (const [i, { events }] of feeds.entries()) {
    const prefix = prefixes[i] ?? ""
    yield* Effect.forkScoped(Effect.interruptible(events.listen((batch) => {
      for (const event of batch) history.feed(event, (connection) => `${prefix}${connection}`)
    })))
  }
  for (const [id, { events }] of Object.entries(connections)) {
    yield* Effect.forkScoped(Effect.interruptible(events.listen((batch) => {
      for (const event of batch) history.connection(id, event)
    })))
  }
  yield* Effect.forkScoped(Effect.interruptible(Effect.repeat(Effect.zipRight(sample, sampleTraffic), Schedule.spaced(samplingInterval))))
  return observe
})
