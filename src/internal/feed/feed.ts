// The feed of a venue: one pipeline for each stream, shared by all its readers.
//
//     sockets → decode → follow by continuity (put in order, repair) → readers
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
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
import type { Events, FeedEvent, MarketFeed, Options, StreamRequest } from "../../market/MarketFeed.ts"
import * as Metrics from "../../market/Metrics.ts"
import type { Kind, Stream, Venue } from "../../market/Venue.ts"
import type { Message } from "../../Transport.ts"
import { closeScope } from "../closeScope.ts"
import { defaultMessageTimeout } from "../connection/settings.ts"
import * as Pool from "../pool/pool.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as Cursors from "../stream/cursors.ts"
import * as EventStream from "../stream/eventStream.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import * as Activity from "./activity.ts"
import * as BookDepth from "./bookDepth.ts"
import * as BookSynchroniser from "./bookSynchroniser.ts"
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
  const now = () => clock.unsafeCurrentTimeMillis()
  const settings = yield* resolve(venue, options)
  const { buffer: capacity, fillCandles, grace, repair } = settings

  const { events, record, skip } = yield* makeEvents(now)
  const pool = yield* makePool(venue, options.connection ?? {}, settings, { record, skip })
  const shared: Shared = { source: venue.name, pool, now, record, skip, capacity, repair, fillCandles, grace }
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
    return Cursors.merge(Effect.forEach(keys, sourceOf), select, told)
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
    )
  }
  return feed
})

// ---------------------------------------------------------------------------------------------------------------------
// Order books

// The share of the venue's budget that all audits take together, and that one takes if the venue does not say.
const auditShare = 0.1
const shareOfSnapshot = 0.01

const makeBooks = (venue: Venue, { capacity, now, pool, record, skip, source }: Shared): MarketFeed["orderBook"] => {
  const { books } = venue
  if (books === undefined) return () => Effect.dieMessage(`The venue ${venue.name} has no order books: its adapter gives no books.`)
  const audits = RollingWindow.make(auditShare, "1 minute")
  return Effect.fnUntraced(function*(symbol, options = {}) {
    const { audit, levels } = yield* resolveBook(options)
    const stream = books.stream(symbol)
    const depth = BookDepth.make(levels, books.levels)
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
      auditTurn: audits.take(books.share?.(depth.limit) ?? shareOfSnapshot),
      compared: (lastUpdateId, { differences, levels }) =>
        Effect.suspend(() => {
          record({ _tag: "BookCompared", at: now(), symbol: stream.symbol, lastUpdateId, levels, differences })
          return Metrics.compared(source, stream.symbol, differences.length)
        }),
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
  options: NonNullable<Options["connection"]>,
  { grace, maxAge, redundancy, renewalTimeout, streamsPerConnection }: Settings,
  { record, skip }: Pick<Shared, "record" | "skip">
) {
  const connection = { ...options, classify: classifyBy(venue, options) }
  const shared = yield* Effect.serviceOption(DialGate.DialGate)
  return yield* Pool.make<Message, unknown>({
    gate: Option.getOrElse(shared, () => DialGate.make({ classify: venue.classify, ...venue.limits.dials })),
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

// Readers share a pipeline if they read the same stream from the same position on.
interface Key {
  readonly stream: string
  readonly after: number | undefined
  /** Whether it is asked for although the venue may not have it. */
  readonly unchecked: boolean
}

// Each stream once, even if it is named more than once.
const keysOf = (venue: Venue, streams: StreamRequest | ReadonlyArray<StreamRequest>): ReadonlyArray<Key> => {
  const keys = new Map((isOne(streams) ? [streams] : streams).map((request) => {
    const { after, name, unchecked = false } = typeof request === "string" ? { after: undefined, name: request } : request
    const stream = venue.stream(name).name
    return [stream, { stream, after, unchecked }]
  }))
  return [...keys.values()]
}

const isOne = (streams: StreamRequest | ReadonlyArray<StreamRequest>): streams is StreamRequest => !Array.isArray(streams)

// A pipeline runs while it has readers.
const makePipelines = (venue: Venue, shared: Shared, lookUps: LookUps.LookUps) =>
  Effect.map(
    RcMap.make({
      lookup: ({ after, stream, unchecked }: Key) => openPipeline(shared, venue.stream(stream), after, unchecked ? undefined : { venue, lookUps })
    }),
    (pipelines) => (key: Key) => {
      const id = Data.struct(key)
      // Readers of several streams keep one that has ended. The next reader asks for it anew.
      return Effect.flatMap(RcMap.get(pipelines, id), (broadcast) =>
        broadcast.ended() === undefined ? Effect.succeed(broadcast) : Effect.zipRight(RcMap.invalidate(pipelines, id), RcMap.get(pipelines, id)))
    }
  )

const openPipeline = Effect.fnUntraced(function*(
  shared: Shared,
  stream: Stream,
  after: number | undefined,
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
    Effect.interruptible(follow(new Pipeline(shared, stream, after, broadcast))),
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
