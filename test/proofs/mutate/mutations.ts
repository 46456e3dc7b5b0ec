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
    "Math.min(nominal * (1 + factor), most)",
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
  mutation("attempts are not forgotten", "internal/connection/retryState.ts", "      outage = noOutage\n", "      outage = { ...noOutage, attempt: outage.attempt }\n"),
  mutation("the schedule never hears of a connection that was replaced", "internal/connection/retryState.ts", "      unheard = life\n", ""),
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
    "internal/connection/live.ts",
    "inbox.mark(Frame.Gap({ epoch, cause, downtime: Duration.millis(at - lostAt), dropped: 0 }))",
    "void [cause, lostAt]"
  ),
  mutation("connections are not counted", "internal/connection/live.ts", "      context.epoch++\n", ""),
  mutation(
    "what a peer says before it hangs up is lost",
    "internal/connection/attempt.ts",
    "Effect.tapError(reading, () => held?.finish ?? Effect.void)",
    "reading"
  ),
  mutation(
    "what comes during the handshake overtakes it",
    "internal/connection/attempt.ts",
    "held?.hold(batch) ?? delivery.deliver(batch)",
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
    "    delivery.hear()\n",
    ""
  ),
  mutation(
    "what slides away is not complained of",
    "internal/connection/delivery.ts",
    "if (isQuiet || inbox.lost() === lostBefore) return undefined",
    "if (isQuiet || batch.length > 0) return undefined"
  ),
  mutation(
    "a handshake opens what is being closed",
    "internal/connection/live.ts",
    `if (context.phase._tag !== "Dialling") return Effect.interrupt`,
    ""
  ),
  mutation(
    "messages are handed over while the handler's effect runs",
    "internal/transport/receiveBuffer.ts",
    "receiver = away\n          const work",
    "const work"
  ),
  mutation(
    "a socket that ends drops what it still holds",
    "internal/transport/receiveBuffer.ts",
    "messages.length === 0 && end !== undefined",
    "end !== undefined"
  ),
  mutation(
    "what was disconnected decides what comes next",
    "internal/connection/live.ts",
    "yield* Effect.interruptible(waited)",
    "yield* waited"
  ),
  mutation(
    "whoever wants the next dial at once has to wait",
    "internal/connection/loop.ts",
    "Effect.raceFirst(sleep(delay), hurry.await)",
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
  mutation("what is on the wire outlives the connection", "internal/session/reconciler.ts", "topics: new Map(),", "topics: new Map(epoch > 1 ? wanted : []),"),
  mutation(
    "what was unsubscribed stays on the wire",
    "internal/session/reconciler.ts",
    `if (method === "unsubscribe") {\n          for (const topic of topics) on.topics.delete(topic)`,
    `if (method === "unsubscribe") {`
  ),
  mutation(
    "a refused unsubscription is taken for made",
    "internal/session/reconciler.ts",
    `if (method !== "subscribe") return`,
    `if (method !== "subscribe") {\n          for (const topic of topics) on.topics.delete(topic)\n          return\n        }`
  ),
  mutation(
    "what was refused when it was asked for again is left on the wire",
    "internal/session/reconciler.ts",
    "if (askedBefore.has(topic)) on.topics.set(topic, undefined)\n          else on.topics.delete(topic)",
    "on.topics.delete(topic)"
  ),
  mutation("what nobody wants any more is heard still", "internal/session/desired.ts", "entry.isWanted = false", "void entry"),
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
    "    this.#isCaughtUp = false\n    this.#intake",
    "    this.#intake"
  ),
  mutation("repair begins one too late", "internal/feed/resequencer.ts", "Effect.either(fetch(last))", "Effect.either(fetch(last + 2))"),
  mutation(
    "a hole begins one too early",
    "internal/feed/resequencer.ts",
    "onHole({ from: last + 1, to, cause: fetched.left })",
    "onHole({ from: last, to, cause: fetched.left })"
  ),
  mutation("a hole may have nothing in it", "internal/feed/resequencer.ts", "idOf(first) > last + 1", "idOf(first) > last"),
  mutation("a lagging REST interface is not waited for", "internal/feed/resequencer.ts", "if (asked === patience)", "if (asked === 0)"),
  mutation("an old candle passes", "internal/feed/candles.ts", "if (t < next) continue", "if (t < next - 1_000) continue"),
  mutation("the last candle is taken for closed", "internal/feed/candles.ts", "i === page.length - 1", "i === page.length"),
  mutation("a missing candle is no hole", "internal/feed/candles.ts", "        if (t > next) {\n          yield* onEvents(closed)", "        if (t > end) {\n          yield* onEvents(closed)"),
  mutation(
    "a missed update is ignored",
    "internal/feed/bookSynchroniser.ts",
    `if (outcome === "gap") return ending("an update is missing")`,
    `if (outcome === "gap") continue`
  ),
  mutation(
    "a line that brings nothing yet makes up for another",
    "internal/pool/pooledConnection.ts",
    "if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true",
    "if (other !== this) return true"
  ),
  mutation(
    "a break of the last line is forgotten when another goes on",
    "internal/pool/pooledConnection.ts",
    "if (topic.broken !== undefined) this.#tell(topic.broken)",
    "topic.broken = undefined"
  ),
  mutation(
    "each of two lines tells of the same gap",
    "internal/pool/pooledConnection.ts",
    "this.#othersBring() || told > this.#last",
    "this.#othersBring()"
  ),
  mutation(
    "a gap that was told stands for all later ones",
    "internal/pool/pooledConnection.ts",
    "    this.#last = ++topic.turn\n",
    ""
  ),
  mutation("a line was alive until its death showed", "internal/pool/pooledConnection.ts", "wasLive && !this.#isCovered()", "false"),
  mutation("a book is not told that its connection is lost", "internal/pool/pooledConnection.ts", "this.#topic.listener.lost(why)", "void why"),
  mutation(
    "an update that follows with a hole is applied",
    "binance/OrderBook.ts",
    "return U <= lastUpdateId + 1",
    "return U <= lastUpdateId + 3"
  ),
  mutation("a removed level stays", "binance/OrderBook.ts", "if (Number(level[1]) === 0) {\n        if (!there) return", "if (Number(level[1]) === 0) {\n        if (there) return"),
  mutation("the old connection is never closed", "internal/pool/pool.ts", "          yield* close(spare)\n", ""),
  mutation(
    "a successor is not asked for proof",
    "internal/pool/pool.ts",
    "Effect.either(proof(successor, slot.topics))",
    "Effect.either(successor.session.connection.awaitOpen)"
  ),
  mutation(
    "newcomers get the room of those that are moving there",
    "internal/pool/pool.ts",
    "slot.topics.size + slot.spokenFor <",
    "slot.topics.size <"
  ),
  mutation("a connection that is given up takes its successor along", "internal/pool/pool.ts", "          if (slot.renewing) continue\n", ""),
  mutation(
    "a connection that was given up is kept for one that has proven nothing",
    "internal/pool/pool.ts",
    `proven._tag === "Right" || !(yield* isAlive(slot))`,
    `proven._tag === "Right"`
  ),
  mutation("a rolling window is half as long", "internal/time/rollingWindow.ts", "now - at <= millis", "now - at <= millis / 2"),
  mutation(
    "the gate forgets Retry-After",
    "DialGate.ts",
    "Duration.toMillis(Duration.max(asked, spacing))",
    "Duration.toMillis(asked === spacing ? asked : spacing)"
  ),
  mutation("the REST client forgets Retry-After", "binance/Rest.ts", "        yield* wait(retryAfter, status)\n", ""),
  mutation("REST requests are not weighed", "binance/Rest.ts", "budget.take(weight)", "budget.take(0)"),
  mutation("silence is never noticed", "internal/session/cadence.ts", "this.silentFor(at) > this.#allowed()", "this.silentFor(at) > Infinity"),
  mutation("what slid out of a buffer is not told", "internal/stream/broadcast.ts", "reader.before = fold(reader.before, this.#items.slice(read, excess))", "void fold"),
  mutation("who listens does not hear what is held", "internal/stream/broadcast.ts", "    if (held.length > 0) this.#hand([taker], held)\n", ""),
  mutation("who listens is not told of the end", "internal/stream/broadcast.ts", "    this.#endTakers(exit)\n    this.#wakeReaders()", "    this.#wakeReaders()"),
  mutation("what somebody makes come overtakes what others have not heard", "internal/stream/broadcast.ts", "if (this.#isHanding) {", "if (this.#later.length > 0) {"),
  mutation("what is escaped passes for itself", "internal/json/compiledReader.ts", String.raw`[^"\\\x00-\x1f]*`, String.raw`[^"\x00-\x1f]*`),
  mutation("a number with more digits than are safe is read", "internal/json/compiledReader.ts", String.raw`\d{0,14}`, String.raw`\d{0,16}`),
  mutation("what follows an object is not looked at", "internal/json/compiledReader.ts", String.raw`\}$`, String.raw`\}`),
  mutation("a number loses its sign", "internal/json/compiledReader.ts", `return isNegative ? -value : value`, `return value`),
  mutation("an empty side of a book is read as if it were not", "internal/json/compiledReader.ts", `text[from + 1] === "]"`, `text[from + 1] === "}"`)
]
