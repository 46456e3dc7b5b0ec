/**
 * The messages of `/events`: a {@link Snapshot} when the WebSocket opens, then {@link Changes}. Both hold {@link Change | changes}, so
 * that one function takes in both: a change replaces what was known under its identity.
 *
 * Times are Unix times in milliseconds, durations are in milliseconds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const Level = Schema.Tuple(Schema.String, Schema.String)

/**
 * A connection, by its `id`. `state` is the tag of its `ConnectionState`, and `since` the time since when it has it. `downSince` is
 * the time since when it has not been open, or null while it is. `streams` counts its streams by status, and `unready` names those
 * that are not live, the first 20 of them.
 *
 * @since 0.1.0
 * @category changes
 */
export class Connection extends Schema.TaggedClass<Connection>("holdfast/observe/Connection")("Connection", {
  id: Schema.String,
  /** The venue of its feed; `""` if it belongs to none. */
  source: Schema.String,
  state: Schema.Literal("Disconnected", "Connecting", "Connected", "Reconnecting", "Failed", "Closed"),
  since: Schema.Number,
  downSince: Schema.NullOr(Schema.Number),
  /** The number of the retry that is under way, or that comes next. Null where there is none. */
  attempt: Schema.NullOr(Schema.Number),
  nextDialAt: Schema.NullOr(Schema.Number),
  /** Why it is not open: a sentence. */
  reason: Schema.NullOr(Schema.String),
  streams: Schema.Struct({
    requested: Schema.Number,
    acknowledged: Schema.Number,
    live: Schema.Number,
    stale: Schema.Number
  }),
  unready: Schema.Array(Schema.String),
  /** Whether the route `rotate` works on it. */
  canRotate: Schema.Boolean
}) {}

/**
 * A connection is no longer there.
 *
 * @since 0.1.0
 * @category changes
 */
export class ConnectionGone extends Schema.TaggedClass<ConnectionGone>("holdfast/observe/ConnectionGone")("ConnectionGone", {
  id: Schema.String
}) {}

/**
 * An outage, by its `id`: from `began` to `ended`, which is null while it lasts. `error` is the tag of the cause, `reason` its
 * sentence. `repaired` counts the events that were fetched since on the streams of the connection, `gaps` what could not be.
 *
 * @since 0.1.0
 * @category changes
 */
export class Outage extends Schema.TaggedClass<Outage>("holdfast/observe/Outage")("Outage", {
  id: Schema.Number,
  connection: Schema.String,
  began: Schema.Number,
  ended: Schema.NullOr(Schema.Number),
  error: Schema.String,
  reason: Schema.String,
  attempts: Schema.Number,
  repaired: Schema.Number,
  gaps: Schema.Number
}) {}

/**
 * A gap, by its `id`: events of a stream are missing and could not be fetched. `from` and `to` are positions, or null where the
 * stream does not show them.
 *
 * @since 0.1.0
 * @category changes
 */
export class Gap extends Schema.TaggedClass<Gap>("holdfast/observe/Gap")("Gap", {
  id: Schema.Number,
  at: Schema.Number,
  stream: Schema.String,
  from: Schema.NullOr(Schema.Number),
  to: Schema.NullOr(Schema.Number),
  cause: Schema.String,
  reason: Schema.String
}) {}

/**
 * A repair of a stream, by its `id`: so many events were fetched until `at`. `left` and `estimated` are how many are still missing
 * and how long these take, about; null where that is not known.
 *
 * @since 0.1.0
 * @category changes
 */
export class Repair extends Schema.TaggedClass<Repair>("holdfast/observe/Repair")("Repair", {
  id: Schema.Number,
  began: Schema.Number,
  at: Schema.Number,
  stream: Schema.String,
  events: Schema.Number,
  left: Schema.NullOr(Schema.Number),
  estimated: Schema.NullOr(Schema.Number)
}) {}

/**
 * A host, by its name, as the dial gate knows it. While `isDown`, its breaker is open.
 *
 * @since 0.1.0
 * @category changes
 */
export class Gate extends Schema.TaggedClass<Gate>("holdfast/observe/Gate")("Gate", {
  host: Schema.String,
  waiting: Schema.Number,
  failures: Schema.Number,
  isDown: Schema.Boolean,
  used: Schema.Number,
  limit: Schema.NullOr(Schema.Number),
  heldFor: Schema.Number
}) {}

/**
 * The budget of a venue's REST interface, by the venue.
 *
 * @since 0.1.0
 * @category changes
 */
export class Budget extends Schema.TaggedClass<Budget>("holdfast/observe/Budget")("Budget", {
  source: Schema.String,
  used: Schema.Number,
  limit: Schema.Number,
  heldFor: Schema.Number
}) {}

/**
 * The top of a book, by its symbol. While it is stale, `stale` says why, and the sides are empty.
 *
 * @since 0.1.0
 * @category changes
 */
export class Book extends Schema.TaggedClass<Book>("holdfast/observe/Book")("Book", {
  symbol: Schema.String,
  stale: Schema.NullOr(Schema.String),
  lastUpdateId: Schema.NullOr(Schema.Number),
  bids: Schema.Array(Level),
  asks: Schema.Array(Level)
}) {}

/**
 * A reason why something desired is not had.
 *
 * - `disconnected`: a connection is not open.
 * - `unacknowledged`: the peer has not acknowledged streams.
 * - `stale`: REST has shown newer data that did not arrive.
 * - `missing`: a desired stream has no subscription: it has ended, or it has not begun.
 * - `book`: a book is stale.
 *
 * @since 0.1.0
 * @category models
 */
export const Reason = Schema.Struct({
  reason: Schema.Literal("disconnected", "unacknowledged", "stale", "missing", "book"),
  connection: Schema.NullOr(Schema.String),
  /** The streams that it is about, the first 20 of them. */
  streams: Schema.Array(Schema.String),
  message: Schema.String
})

/**
 * Whether all that is desired is had. There is one. Quiet is ready.
 *
 * @since 0.1.0
 * @category changes
 */
export class Readiness extends Schema.TaggedClass<Readiness>("holdfast/observe/Readiness")("Readiness", {
  ready: Schema.Boolean,
  reasons: Schema.Array(Reason)
}) {}

/**
 * What flowed up to a moment, by `at`: totals since the start of the process. Two of them give a rate. `lagSum` and `lagCount` are
 * the sum, in seconds, and the number of the measured lags.
 *
 * @since 0.1.0
 * @category changes
 */
export class Traffic extends Schema.TaggedClass<Traffic>("holdfast/observe/Traffic")("Traffic", {
  at: Schema.Number,
  messages: Schema.Number,
  events: Schema.Number,
  gaps: Schema.Number,
  repaired: Schema.Number,
  lagSum: Schema.Number,
  lagCount: Schema.Number
}) {}

/**
 * A change.
 *
 * @since 0.1.0
 * @category changes
 */
export const Change = Schema.Union(Connection, ConnectionGone, Outage, Gap, Repair, Gate, Budget, Book, Readiness, Traffic)

/**
 * A change.
 *
 * @since 0.1.0
 * @category changes
 */
export type Change = typeof Change.Type

/**
 * The first message: all that is known. It comes again if a client has fallen so far behind that changes are no longer held for it:
 * it replaces everything.
 *
 * @since 0.1.0
 * @category messages
 */
export class Snapshot extends Schema.TaggedClass<Snapshot>("holdfast/observe/Snapshot")("Snapshot", {
  /** The version of this format. */
  version: Schema.Literal(1),
  at: Schema.Number,
  /** When the process began to observe. */
  startedAt: Schema.Number,
  changes: Schema.Array(Change)
}) {}

/**
 * What has changed since the message before. Without any for 10 seconds, an empty one comes, so that a client sees that the
 * connection lives.
 *
 * @since 0.1.0
 * @category messages
 */
export class Changes extends Schema.TaggedClass<Changes>("holdfast/observe/Changes")("Changes", {
  at: Schema.Number,
  changes: Schema.Array(Change)
}) {}

/**
 * A message of `/events`.
 *
 * @since 0.1.0
 * @category messages
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import { Connection } from "holdfast"
 * import { Message } from "holdfast/observe"
 *
 * const decode = Schema.decode(Schema.parseJson(Message.Message))
 *
 * const follow = (connection: Connection.Connection) =>
 *   connection.messages.forEach((text) =>
 *     typeof text === "string"
 *       ? Effect.flatMap(decode(text), ({ changes }) => Effect.log(changes))
 *       : Effect.void)
 * ```
 */
export const Message = Schema.Union(Snapshot, Changes)

/**
 * A message of `/events`.
 *
 * @since 0.1.0
 * @category messages
 */
export type Message = typeof Message.Type
