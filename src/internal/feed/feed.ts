// The feed of a venue: one pipeline for each stream, shared by all its readers.
//
//     sockets → decode → follow by continuity (put in order, repair) → readers
import type * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import type * as Connection from "../../Connection.ts"
import * as DialGate from "../../DialGate.ts"
import type { Classify } from "../../FailureClass.ts"
import { InvalidMessage } from "../../market/Decoder.ts"
import type { FeedError } from "../../market/FeedError.ts"
import type { Ended, Gap, MarketEvent } from "../../market/MarketEvent.ts"
import { isEnded, isGap, NotRepairable } from "../../market/MarketEvent.ts"
import type { Events, FeedEvent, From, MarketFeed, Options, StreamRequest, StreamStatus } from "../../market/MarketFeed.ts"
import * as Metrics from "../../market/Metrics.ts"
import type { Kind, Stream, Venue } from "../../market/Venue.ts"
import type { Subscription } from "../../Session.ts"
import type { Message } from "../../Transport.ts"
import { closeScope } from "../closeScope.ts"
import { defaultMessageTimeout } from "../connection/settings.ts"
import * as Pool from "../pool/pool.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as Cursors from "../stream/cursors.ts"
import * as EventStream from "../stream/eventStream.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import * as Activity from "./activity.ts"
import * as Beginning from "./beginning.ts"
import * as BookDepth from "./bookDepth.ts"
import * as BookSynchroniser from "./bookSynchroniser.ts"
import * as LagMeter from "./lagMeter.ts"
import * as LookUps from "./lookUps.ts"
import { follow } from "./operators.ts"
import type { EventBroadcast, Shared } from "./pipeline.ts"
import { gapOf, Pipeline } from "./pipeline.ts"
import type { Settings } from "./settings.ts"
import { resolve, resolveBook } from "./settings.ts"

// The most events that a pipeline emits ahead of its slowest reader. When it has to wait, new events stay in its queue; those
// that no longer fit are fetched later.
const readAhead = 1_024
const eventsHeld = 4_096

export const make = Effect.fnUntraced(function*(venue: Venue, options: Options) {
  const clock = yield* Effect.clock
  const times: LagMeter.Times = { read: Number.NaN, measured: Number.NaN }
  const now = () => (times.read = clock.unsafeCurrentTimeMillis())
  const settings = yield* resolve(venue, options)
  const { buffer: capacity, fillCandles, grace, repair } = settings

  const { events, record, skip } = yield* makeEvents(now)
  const ofApp = yield* Effect.serviceOption(DialGate.DialGate)
  const gate = Option.getOrElse(ofApp, () => DialGate.make({ classify: venue.classify, ...venue.limits.dials }))
  const pool = yield* makePool(venue, gate, options.connection ?? {}, settings, { record, skip })
  const counters = Metrics.make({ source: venue.name, symbolLabels: settings.symbolLabels })
  const shared: Shared = { source: venue.name, pool, now, record, skip, capacity, repair, fillCandles, grace, counters }
  const lookUps = yield* LookUps.make(venue)
  const sourceOf = yield* makePipelines(venue, shared, lookUps)

  const read = <A extends MarketEvent>(
    streams: StreamRequest | ReadonlyArray<StreamRequest>,
    select: (batch: ReadonlyArray<MarketEvent>) => ReadonlyArray<A>
  ) => {
    const keys = keysOf(venue, streams)
    const told = (index: number, error: FeedError): Ended => {
      const { name, symbol } = venue.stream(keys[index]?.stream ?? "")
      return { source: venue.name, symbol, type: "ended", data: { stream: name, error }, timestamp: now(), via: "ws" }
    }
    const measure = LagMeter.make(shared, times, keys.map(({ stream }) => venue.stream(stream)))
    const measured = (batch: ReadonlyArray<MarketEvent>) => {
      measure(batch)
      return select(batch)
    }
    return Cursors.merge(Effect.forEach(keys, sourceOf), measured, told)
  }

  function streamOf<A extends MarketEvent>(kind: Kind<A>, stream: StreamRequest): Events<A>
  function streamOf<A extends MarketEvent>(kind: Kind<A>, streams: StreamRequest | ReadonlyArray<StreamRequest>): Events<A | Ended>
  function streamOf<A extends MarketEvent>(kind: Kind<A>, streams: StreamRequest | ReadonlyArray<StreamRequest>): Events<A | Ended> {
    return read(streams, only(kind))
  }

  const feed: MarketFeed = {
    stream: (streams) => read(streams, identity),
    streamOf,
    orderBook: makeBooks(venue, shared),
    rotate: pool.rotate,
    events: events.stream,
    subscriptions: Effect.suspend(() =>
      Effect.map(Effect.forEach(pool.sessions(), ({ subscriptions }) => subscriptions), (all) => all.flat())
    ),
    source: venue.name,
    connections: Effect.sync(() =>
      pool.connections().map(({ name, rotate, session }) => ({
        name,
        connection: session.connection,
        streams: Effect.map(session.subscriptions, (all) => all.map((each) => statusOf(venue, each))),
        rotate
      }))
    ),
    hosts: gate.hosts ?? Effect.succeed([]),
    budget: venue.budget ?? Effect.succeed(undefined)
  }
  return feed
})

const statusOf = (venue: Venue, subscription: Subscription): StreamStatus => {
  const { kind: { type }, symbol } = venue.stream(subscription.topic)
  return { ...subscription, kind: type, symbol }
}

// ---------------------------------------------------------------------------------------------------------------------
// Order books

// The share of the venue's budget that all audits take together, and that one takes if the venue does not say.
const auditShare = 0.1
const shareOfSnapshot = 0.01

const makeBooks = (venue: Venue, shared: Shared): MarketFeed["orderBook"] => {
  const { capacity, now, pool, record, skip } = shared
  const { books } = venue
  if (books === undefined) return () => Effect.dieMessage(`The venue ${venue.name} has no order books: its adapter gives no books.`)
  const audits = RollingWindow.make(auditShare, "1 minute")
  return Effect.fnUntraced(function*(symbol, options = {}) {
    const { audit, levels, speed } = yield* resolveBook(options, books.speeds)
    const stream = books.stream(symbol, speed)
    const depth = BookDepth.make(levels, books.levels)
    const counters = shared.counters.ofBook(stream.symbol)
    const decoder = stream.kind.decoder(stream.name, stream.symbol)
    return yield* BookSynchroniser.make({
      symbol: stream.symbol,
      rules: books.rules,
      depth,
      capacity,
      snapshot: books.snapshot?.(stream.symbol, depth.limit),
      askAgain: Effect.sync(() => {
        pool.requestAgain(stream.name)
      }),
      audit,
      resync: counters.resync,
      auditTurn: audits.take(books.share?.(depth.limit) ?? shareOfSnapshot),
      compared: (lastUpdateId, { differences, levels }) =>
        Effect.sync(() => {
          record({ _tag: "BookCompared", at: now(), symbol: stream.symbol, lastUpdateId, levels, differences })
          counters.compared(differences.length)
        }),
      dropped: (what, count) => {
        record({ _tag: "BookDropped", at: now(), symbol: stream.symbol, what, count })
        counters.dropped(what, count)
      },
      listen: ({ data, end, lost }) =>
        pool.listen(stream.group, stream.name, {
          data: (messages) => {
            for (const event of decoder.all(messages, now(), skip(stream.name))) data(event.data)
          },
          gap: () => undefined,
          lost,
          end
        })
    })
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Events of the feed

const makeEvents = Effect.fnUntraced(function*(now: () => number) {
  const runFork = yield* FiberSet.makeRuntime()
  const events = EventStream.make<FeedEvent>({ capacity: eventsHeld, at: now })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      events.end(Exit.void)
    })
  )
  const record = (event: FeedEvent) => {
    events.unsafeOfferAll([event])
  }
  // In a sequence, a skipped message leaves a missing id, which is then fetched.
  const skip = (stream: string) => (error: InvalidMessage) => {
    record({ _tag: "InvalidMessage", at: now(), stream, error })
    runFork(Effect.logWarning(error.message))
  }
  return { events, record, skip }
})

// ---------------------------------------------------------------------------------------------------------------------
// Connections

// The user's `classify` overrides the venue's, which overrides the standard table.
const classifyBy = (venue: Venue, { classify }: Pick<Connection.Options, "classify">): Classify => (error, standard) => {
  const ofVenue = venue.classify?.(error, standard) ?? standard
  return classify?.(error, ofVenue) ?? ofVenue
}

const makePool = Effect.fnUntraced(function*(
  venue: Venue,
  gate: DialGate.DialGate,
  options: NonNullable<Options["connection"]>,
  { grace, maxAge, redundancy, renewalTimeout, streamsPerConnection }: Settings,
  { record, skip }: Pick<Shared, "record" | "skip">
) {
  const connection = { ...options, classify: classifyBy(venue, options) }
  return yield* Pool.make<Message, unknown>({
    gate,
    connection: (group) => ({
      ...connection,
      // A peer that answers pings and says nothing must not go unnoticed.
      messageTimeout: connection.messageTimeout ?? defaultMessageTimeout,
      ...venue.endpoint(group)
    }),
    protocol: venue.protocol,
    topicsPerConnection: streamsPerConnection,
    redundancy,
    grace,
    maxAge,
    renewalTimeout,
    isKnown: (topic) => venue.isKnown?.(venue.stream(topic)) ?? Effect.succeed(true),
    activity: venue.activity === undefined ? undefined : Activity.make(venue, venue.activity),
    isEnding: (notice) => venue.isEnding?.(notice) ?? false,
    onEvent: (connection, event) => {
      record({ _tag: "Connection", connection, event })
    },
    onSessionEvent: (connection, event) => {
      if (event._tag === "Invalid") skip(connection)(new InvalidMessage(event))
      else record({ _tag: "Session", connection, event })
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Pipelines

// Readers share a pipeline if they read the same stream from now on. Each that begins in the past has its own: another one would
// have passed its beginning already.
interface Key {
  readonly stream: string
  readonly from: From
  /** Whether it is asked for although the venue may not have it. */
  readonly unchecked: boolean
}

// Each stream once, even if it is named more than once.
const keysOf = (venue: Venue, streams: StreamRequest | ReadonlyArray<StreamRequest>): ReadonlyArray<Key> => {
  const keys = new Map((isOne(streams) ? [streams] : streams).map((request) => {
    const { name, unchecked = false, ...from } = typeof request === "string" ? { name: request } : request
    const stream = venue.stream(name).name
    return [stream, { stream, from, unchecked }]
  }))
  return [...keys.values()]
}

const isOne = (streams: StreamRequest | ReadonlyArray<StreamRequest>): streams is StreamRequest => !Array.isArray(streams)

// A pipeline runs while it has readers.
/** Each beginning in the past equals only itself, so its reader has a pipeline of its own. */
interface PipelineKey {
  readonly stream: string
  readonly unchecked: boolean
  readonly beginning: Either.Either<Beginning.Beginning, ConfigError.ConfigError>
}

const makePipelines = (venue: Venue, shared: Shared, lookUps: LookUps.LookUps) =>
  Effect.map(
    RcMap.make({
      lookup: ({ beginning, stream, unchecked }: PipelineKey) =>
        openPipeline(shared, venue.stream(stream), beginning, unchecked ? undefined : { venue, lookUps })
    }),
    (pipelines) => ({ from, stream, unchecked }: Key) => {
      const id: PipelineKey = Data.struct({ stream, unchecked, beginning: Beginning.resolve(from) })
      // Readers of several streams keep one that has ended. The next reader asks for it anew.
      return Effect.flatMap(RcMap.get(pipelines, id), (broadcast) =>
        broadcast.ended() === undefined ? Effect.succeed(broadcast) : Effect.zipRight(RcMap.invalidate(pipelines, id), RcMap.get(pipelines, id)))
    }
  )

const openPipeline = Effect.fnUntraced(function*(
  shared: Shared,
  stream: Stream,
  beginning: Either.Either<Beginning.Beginning, ConfigError.ConfigError>,
  checked: { readonly venue: Venue; readonly lookUps: LookUps.LookUps } | undefined
) {
  const broadcast: EventBroadcast = Broadcast.make<MarketEvent, FeedError>({
    capacity: readAhead,
    overflow: "suspend",
    // The broadcast suspends, so it loses only events that wait for room when the pipeline ends.
    fold: () => gapOf(shared, stream, new NotRepairable({ reason: "The stream has ended." }))
  })
  const unknown = checked?.venue.check?.(stream.name)
  if (unknown !== undefined) {
    broadcast.end(Exit.fail(unknown))
    return broadcast
  }
  if (Either.isLeft(beginning)) {
    broadcast.end(Exit.fail(beginning.left))
    return broadcast
  }
  const scope = yield* Effect.flatMap(Effect.scope, (outer) => Scope.fork(outer, ExecutionStrategy.sequential))
  if (checked !== undefined) {
    yield* checked.lookUps.add({
      stream,
      hasData: () => broadcast.hasBegun(),
      fail: (error) => {
        broadcast.end(Exit.fail(error))
        return closeScope(scope, Exit.void)
      }
    })
  }
  yield* Effect.onExit(
    Effect.interruptible(follow(new Pipeline(shared, stream, beginning.right, broadcast))),
    (exit) =>
      Effect.sync(() => {
        // A defect must reach the readers, and not look like a quiet market.
        broadcast.end(Exit.isInterrupted(exit) ? Exit.void : exit)
      })
  ).pipe(Effect.forkIn(scope), Scope.extend(scope))
  return broadcast
})

// All pipelines have the same static type. The events of one are of one kind, so the first that is no gap shows which: a
// check of each event would cost each of a hundred readers as much as the reading.
const only = <A extends MarketEvent>({ type }: Kind<A>) => {
  const isOfKind = (batch: ReadonlyArray<MarketEvent>): batch is ReadonlyArray<A | Ended | Gap> => {
    const first = batch.find((event) => !isGap(event) && !isEnded(event))
    return first === undefined || first.type === type
  }
  return (batch: ReadonlyArray<MarketEvent>): ReadonlyArray<A | Ended | Gap> => isOfKind(batch) ? batch : []
}
