/**
 * Deliberate bugs, one small change of a source file each: what the simulation and the tests are there to catch.
 */
export interface Mutation {
  readonly what: string
  /** Under `src`. */
  readonly file: string
  /** A text that occurs once. */
  readonly from: string
  readonly to: string
}

const mutation = (what: string, file: string, from: string, to: string): Mutation => ({ what, file, from, to })

export const mutations: ReadonlyArray<Mutation> = [
  mutation(
    "waits are not capped",
    "ReconnectPolicy.ts",
    "(_, delay) => Duration.min(delay, maxDelay))",
    "(_, delay) => delay)"
  ),
  mutation(
    "jitter goes beyond the cap",
    "ReconnectPolicy.ts",
    "Math.min(nominal * (1 + factor), cap)",
    "nominal * (1 + factor)"
  ),
  mutation("Retry-After is forgotten by the policy", "ReconnectPolicy.ts", "Duration.max(delay))", "() => delay)"),
  mutation("one retry too many", "ReconnectPolicy.ts", "Schedule.recurs(maxRetries)", "Schedule.recurs(maxRetries + 1)"),
  mutation(
    "backoff is reset on open",
    "ReconnectPolicy.ts",
    "startsOver(loss) ? self.initial : state",
    "(startsOver(loss) || loss.opened) ? self.initial : state"
  ),
  mutation("attempts are not forgotten", "internal/connection/retryState.ts", "    outage = noOutage\n    lastProven", "    outage = { ...noOutage, attempt: outage.attempt }\n    lastProven"),
  mutation("the schedule never hears of a connection that was replaced", "internal/connection/retryState.ts", "    lastProven = lifetime\n", ""),
  mutation(
    "a schedule of one's own comes back sooner than it is asked to",
    "internal/connection/reconnection.ts",
    "ReconnectPolicy.noSoonerThanAsked(ReconnectPolicy.defaults.jitterFactor)",
    "(same) => same"
  ),
  mutation("the second chance is not given", "internal/connection/retryState.ts", "countOf(outage, error) > failureClass.tries", "countOf(outage, error) >= failureClass.tries"),
  mutation(
    "a fatal failure is retried",
    "internal/connection/retryState.ts",
    `    if (failureClass._tag === "Fatal") return giveUp("fatal")\n`,
    ""
  ),
  mutation(
    "an outage is not marked as a gap",
    "internal/connection/lifetime.ts",
    "inbox.mark(Item.Gap({ epoch, cause, downtime: Duration.millis(at - lostAt), dropped: 0 }))",
    "void [cause, lostAt]"
  ),
  mutation("connections are not counted", "internal/connection/lifetime.ts", "      context.epoch++\n", ""),
  mutation(
    "what a peer says before it hangs up is lost",
    "internal/connection/attempt.ts",
    "Effect.tapError(reading, () => buffer?.finish ?? Effect.void)",
    "reading"
  ),
  mutation(
    "what comes during the handshake overtakes it",
    "internal/connection/attempt.ts",
    "buffer?.hold(batch) ?? delivery.deliver(batch)",
    "delivery.deliver(batch)"
  ),
  mutation(
    "what finds no room is handed over all the same",
    "internal/connection/delivery.ts",
    "if (left > 0) {",
    "if (false) {"
  ),
  mutation(
    "what is handed over is no sign of life",
    "internal/connection/attempt.ts",
    "    delivery.noteActivity()\n",
    ""
  ),
  mutation(
    "what slides away is not complained of",
    "internal/connection/delivery.ts",
    "if (this.#hasWarned || inbox.lost() === this.#lostBefore) return undefined",
    "if (this.#hasWarned || batch.length > 0) return undefined"
  ),
  mutation(
    "a handshake opens what is being closed",
    "internal/connection/lifetime.ts",
    `if (context.phase._tag !== "Dialling") return Effect.interrupt`,
    ""
  ),
  mutation(
    "messages are handed over while the handler's effect runs",
    "internal/transport/receiveBuffer.ts",
    "receiver = idle\n          const effect",
    "const effect"
  ),
  mutation(
    "a socket that ends drops what it still holds",
    "internal/transport/receiveBuffer.ts",
    "messages.length === 0 && end !== undefined",
    "end !== undefined"
  ),
  mutation(
    "what was disconnected decides what comes next",
    "internal/connection/loop.ts",
    "yield* Effect.interruptible(ended)",
    "yield* ended"
  ),
  mutation(
    "whoever wants the next dial at once has to wait",
    "internal/connection/loop.ts",
    "Effect.raceFirst(sleep(delay), skipWait.await)",
    "sleep(delay)"
  ),
  mutation(
    "silence is not judged while a pong is waited for",
    "Liveness.ts",
    "Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)",
    "Effect.as(sleepUntil(sent + Duration.toMillis(pongTimeout)), false)"
  ),
  mutation(
    "a dead peer is said goodbye to",
    "internal/connection/dial.ts",
    "const mustDrop = ",
    "const mustDrop = false && "
  ),
  mutation(
    "a missed pong is forgiven",
    "Liveness.ts",
    `return new ConnectionTimeout({ phase: "pong", after: pongTimeout })`,
    "return Effect.void"
  ),
  mutation("a stall of ours is blamed on the peer", "Liveness.ts", "woke - at >= graceMillis", "woke - at >= Infinity"),
  mutation("what is on the wire outlives the connection", "internal/session/reconciler.ts", "topics: new Map(),", "topics: new Map(epoch > 1 ? desiredTopics : []),"),
  mutation(
    "what was unsubscribed stays on the wire",
    "internal/session/reconciler.ts",
    "          for (const topic of topics) on.topics.delete(topic)\n",
    ""
  ),
  mutation(
    "a refused unsubscription is taken for made",
    "internal/session/answers.ts",
    `if (method === "unsubscribe") return { _tag: "Kept", topics }`,
    `if (method === "unsubscribe") return { _tag: "Released", topics }`
  ),
  mutation(
    "what was refused when it was asked for again is left on the wire",
    "internal/session/wire.ts",
    "if (askedBefore.has(topic)) wire.topics.set(topic, undefined)\n    else wire.topics.delete(topic)",
    "wire.topics.delete(topic)"
  ),
  mutation("an answer to some topics is taken for one to all", "internal/session/answers.ts", "named === undefined ? open : open.filter((topic) => named.includes(topic))", "open"),
  mutation("what is to be asked later is asked at once", "internal/session/reconciler.ts", "on.postponed.add(topic)", "void topic"),
  mutation("one topic passes for another, when their hashes are alike", "internal/session/topicCache.ts", "!likely.isDesired || !stands(likely.topic, text, span)", "!likely.isDesired"),
  mutation("a break is told though another connection brought everything", "internal/pool/coverage.ts", `live: { everything: "-", later: "gap", reported: "gap"`, `live: { everything: "gap", later: "gap", reported: "gap"`),
  mutation("what nobody wants any more is heard still", "internal/session/desired.ts", "entry.isDesired = false", "void entry"),
  mutation("requests are not paced", "internal/session/reconciler.ts", "on.pace.take(1)", "Effect.void"),
  mutation(
    "what was not answered is not asked again",
    "internal/session/reconciler.ts",
    "for (const topic of topics) on.topics.set(topic, undefined)",
    ""
  ),
  mutation("what was fetched beyond a hole is forgotten", "internal/feed/resequencer.ts", "beyond.set(idOf(event), event)", "void beyond"),
  mutation("ids that begin anew are never followed", "internal/feed/idReset.ts", "at - latest > (", "at - latest > 1e9 * ("),
  mutation("what comes late is taken for new ids", "internal/feed/idReset.ts", "at - latest > (", "at - latest > -1 * ("),
  mutation("duplicates pass", "internal/feed/resequencer.ts", "if (id < this.#due) {", "if (id < this.#due - 1) {"),
  mutation(
    "what waits behind a hole is overtaken",
    "internal/feed/resequencer.ts",
    "    this.#isCaughtUp = false\n    this.#queue",
    "    this.#queue"
  ),
  mutation("repair begins one too late", "internal/feed/resequencer.ts", "sequence.fetch(target, last)", "sequence.fetch(target, last + 2)"),
  mutation(
    "a hole begins one too early",
    "internal/feed/resequencer.ts",
    "return { from: last + 1, to, cause: fetched.left }",
    "return { from: last, to, cause: fetched.left }"
  ),
  mutation("a hole may have nothing in it", "internal/feed/resequencer.ts", "idOf(first) > last + 1", "idOf(first) > last"),
  mutation("a lagging REST interface is not waited for", "internal/feed/lag.ts", "useless === attemptsAtMost", "useless === 0"),
  mutation("an old candle passes", "internal/feed/candles.ts", "if (opens < next) continue", "if (opens < next - 1_000) continue"),
  mutation("the last candle is taken for closed", "internal/feed/candles.ts", "i === page.length - 1", "i === page.length"),
  mutation("a missing candle is no hole", "internal/feed/candles.ts", "      if (opens > next) {\n        yield* emit(closed)", "      if (opens > end) {\n        yield* emit(closed)"),
  mutation("events of another kind pass for those that were asked for", "internal/feed/feed.ts", "batch.every(isOfKind) ? batch", "batch.length > 0 ? batch"),
  mutation("the user does not have the last word on a failure", "internal/feed/feed.ts", "classify?.(error, ofVenue) ?? ofVenue", "ofVenue"),
  mutation("a venue's limit of dials is ignored", "internal/feed/feed.ts", "...venue.limits.dials", ""),
  mutation("what a frame ends with is not looked at", "internal/feed/decoder.ts", "Shape.make(schema, envelope.end)", "Shape.make(schema)"),
  mutation("an id under which nothing happened is shown", "internal/feed/operators.ts", "if (sequence.isReal === undefined) return events", "if (events.length > 0) return events"),
  mutation(
    "a missed update is ignored",
    "internal/feed/bookSynchroniser.ts",
    `if (outcome === "gap") return ending("an update is missing")`,
    `if (outcome === "gap") continue`
  ),
  mutation(
    "a line that brings nothing yet makes up for another",
    "internal/pool/coverage.ts",
    "if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true",
    "if (other !== this) return true"
  ),
  mutation(
    "a break of the last line is forgotten when another goes on",
    "internal/pool/coverage.ts",
    "if (topic.broken !== undefined) this.#reportGap(topic.broken)",
    "topic.broken = undefined"
  ),
  mutation(
    "each of two lines tells of the same gap",
    "internal/pool/coverage.ts",
    `broken === undefined && reported > this.#last ? "reported" : "nothing"`,
    `"nothing"`
  ),
  mutation(
    "a gap that was told stands for all later ones",
    "internal/pool/coverage.ts",
    "    this.#last = ++this.#topic.turn\n",
    ""
  ),
  mutation("a line was alive until its death showed", "internal/pool/coverage.ts", `live: { everything: "-", later: "gap", reported: "break"`, `live: { everything: "-", later: "-", reported: "break"`),
  mutation("a book is not told that its connection is lost", "internal/pool/coverage.ts", "this.#topic.listener.lost(why)", "void why"),
  mutation(
    "an update that follows with a hole is applied",
    "binance/internal/bookRules.ts",
    "return U <= id + 1",
    "return U <= id + 3"
  ),
  mutation("a removed level stays", "market/OrderBook.ts", "if (Number(level[1]) === 0) {\n        if (!there) return", "if (Number(level[1]) === 0) {\n        if (there) return"),
  mutation("the old connection is never closed", "internal/pool/pool.ts", "      yield* close(spare)\n", ""),
  mutation(
    "a successor is not asked for proof",
    "internal/pool/pool.ts",
    "Effect.either(proof(successor, slot.topics))",
    "Effect.either(successor.session.connection.awaitOpen)"
  ),
  mutation(
    "newcomers get the room of those that are moving there",
    "internal/pool/placement.ts",
    "slot.topics.size + reserved(slot, capacity) <",
    "slot.topics.size <"
  ),
  mutation("a connection that is given up takes its successor along", "internal/pool/pool.ts", `alive || slot.work._tag !== "Idle"`, "alive"),
  mutation(
    "a successor that was given up takes the place of a connection that is not",
    "internal/pool/pool.ts",
    "(isProven && (yield* isAlive(successor)))",
    "isProven"
  ),
  mutation(
    "streams move to a connection that was given up",
    "internal/pool/pool.ts",
    "isProven && slots.has(into) && (yield* isAlive(into.pooled))",
    "isProven && slots.has(into)"
  ),
  mutation(
    "a connection that was given up is kept for one that has proven nothing",
    "internal/pool/pool.ts",
    "(isProven && (yield* isAlive(successor))) || !(yield* isAlive(slot.pooled))",
    "isProven && (yield* isAlive(successor))"
  ),
  mutation(
    "who waits for a window is let through before the moment that was set meanwhile",
    "internal/time/rateLimiter.ts",
    "heldAt(now) === undefined ? Effect.void : acquire(cost, onHold)",
    "Effect.void"
  ),
  mutation("a rolling window is half as long", "internal/time/rollingWindow.ts", "now - at <= millis", "now - at <= millis / 2"),
  mutation(
    "the gate forgets Retry-After",
    "DialGate.ts",
    "Duration.toMillis(Duration.max(asked, spacing))",
    "Duration.toMillis(asked === spacing ? asked : spacing)"
  ),
  mutation("a ban is the end", "binance/Failure.ts", "error.status === 418", "error.status === 0"),
  mutation("the REST client forgets Retry-After", "binance/Rest.ts", "        yield* wait(retryAfter, status)\n", ""),
  mutation("REST requests are not weighed", "binance/Rest.ts", "limiter.acquire(weight,", "limiter.acquire(0,"),
  mutation("silence is never noticed", "internal/session/cadence.ts", "this.idleFor(at) > this.#allowed()", "this.idleFor(at) > Infinity"),
  mutation("the next event does not wait for the effect of the last", "internal/stream/cursors.ts", "{ discard: true }", `{ discard: true, concurrency: "unbounded" }`),
  mutation(
    "an effect that fails keeps the place of its reader",
    "internal/stream/cursors.ts",
    "runForEach(positions, select, f), ({ leave }, exit) => leave(exit))",
    "runForEach(positions, select, f), () => Effect.void)"
  ),
  mutation(
    "events that were dropped earlier are not counted",
    "internal/stream/eventStream.ts",
    " + (marker !== undefined && isMarker(marker) ? marker.count : 0)",
    ""
  ),
  mutation("what slid out of a buffer is not told", "internal/stream/broadcast.ts", "reader.before = options.fold(reader.before, this.#items.slice(read, excess))", "void options"),
  mutation("who listens does not hear what is held", "internal/stream/broadcast.ts", "    if (held.length > 0) this.#deliver([listener], held)\n", ""),
  mutation("who listens is not told of the end", "internal/stream/broadcast.ts", "    this.#endListeners(exit)\n    this.#wakeReaders()", "    this.#wakeReaders()"),
  mutation("what somebody makes come overtakes what others have not heard", "internal/stream/broadcast.ts", "if (this.#isDelivering) {", "if (this.#later.length > 0) {"),
  mutation("what is escaped passes for itself", "internal/json/compiledReader.ts", String.raw`[^"\\\x00-\x1f]*`, String.raw`[^"\x00-\x1f]*`),
  mutation("a number with more digits than are safe is read", "internal/json/compiledReader.ts", String.raw`\d{0,14}`, String.raw`\d{0,16}`),
  mutation("what follows an object is not looked at", "internal/json/compiledReader.ts", "frameEnd])}$`", "frameEnd])}`"),
  mutation("a number loses its sign", "internal/json/compiledReader.ts", `return isNegative ? -value : value`, `return value`),
  mutation("an empty side of a book is read as if it were not", "internal/json/compiledReader.ts", `text[from + 1] === "]"`, `text[from + 1] === "}"`)
]
