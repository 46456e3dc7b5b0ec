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
    "internal/outage.ts",
    "if (!isProven({ ...life, floor: Option.none() })) return false",
    "if (!life.opened) return false"
  ),
  mutation("attempts are not forgotten", "internal/outage.ts", "    attempt = 0\n    since = undefined", "    since = undefined"),
  mutation("the second chance is not given", "internal/outage.ts", "count > failureClass.tries", "count >= failureClass.tries"),
  mutation(
    "a fatal failure is retried",
    "internal/outage.ts",
    `    if (failureClass._tag === "Fatal") return giveUp("fatal")\n`,
    ""
  ),
  mutation(
    "an outage is not marked as a gap",
    "internal/supervisor.ts",
    "run.inbox.mark(Frame.Gap({ epoch, cause: before.cause, downtime, dropped: 0 }))",
    "void downtime"
  ),
  mutation("connections are not counted", "internal/supervisor.ts", "            epoch++\n", ""),
  mutation(
    "what a peer says before it hangs up is lost",
    "internal/life.ts",
    "Effect.tapError(readOn, () => early?.finish ?? Effect.void)",
    "readOn"
  ),
  mutation(
    "what comes during the handshake overtakes it",
    "internal/life.ts",
    "early !== undefined || !inbox.keeps(batch.length)",
    "!inbox.keeps(batch.length)"
  ),
  mutation(
    "what finds no room is handed over all the same",
    "internal/life.ts",
    "early !== undefined || !inbox.keeps(batch.length)",
    "early !== undefined"
  ),
  mutation(
    "what is handed over is no sign of life",
    "internal/life.ts",
    "    activity.lastRead = now()\n    put(batch)",
    "    put(batch)"
  ),
  mutation(
    "what slides away is not complained of",
    "internal/life.ts",
    "inbox.keeps(batch.length)",
    "inbox.fits(batch.length)"
  ),
  mutation(
    "a handshake opens what is being closed",
    "internal/life.ts",
    "if (course.end !== undefined) return Effect.interrupt",
    ""
  ),
  mutation(
    "what was disconnected decides what comes next",
    "internal/supervisor.ts",
    "(ended) => run.stopped ? Effect.void : decide(",
    "(ended) => decide("
  ),
  mutation(
    "whoever wants the next dial at once has to wait",
    "internal/supervisor.ts",
    "run.isHurried || Duration.equals(delay, Duration.zero)",
    "Duration.equals(delay, Duration.zero)"
  ),
  mutation(
    "silence is not judged while a pong is waited for",
    "Liveness.ts",
    "Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)",
    "Effect.as(sleepUntil(sent + Duration.toMillis(pongTimeout)), false)"
  ),
  mutation(
    "a dead peer is said goodbye to",
    "internal/life.ts",
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
  mutation("what is on the wire outlives the connection", "internal/requests.ts", "topics: new Map(),", "topics: new Map(epoch > 1 ? wanted : []),"),
  mutation(
    "what was unsubscribed stays on the wire",
    "internal/requests.ts",
    `if (method === "unsubscribe") {\n          for (const topic of topics) on.topics.delete(topic)`,
    `if (method === "unsubscribe") {`
  ),
  mutation(
    "a refused unsubscription is taken for made",
    "internal/requests.ts",
    `if (method !== "subscribe") return`,
    `if (method !== "subscribe") {\n          for (const topic of topics) on.topics.delete(topic)\n          return\n        }`
  ),
  mutation(
    "what was refused when it was asked for again is left on the wire",
    "internal/requests.ts",
    "if (askedBefore.has(topic)) on.topics.set(topic, undefined)\n          else on.topics.delete(topic)",
    "on.topics.delete(topic)"
  ),
  mutation("what nobody wants any more is heard still", "internal/wanted.ts", "entry.isWanted = false", "void entry"),
  mutation("requests are not paced", "internal/requests.ts", "on.pace.take(1)", "Effect.void"),
  mutation(
    "what was not answered is not asked again",
    "internal/requests.ts",
    "for (const topic of topics) on.topics.set(topic, undefined)",
    ""
  ),
  mutation("what was fetched beyond a hole is forgotten", "internal/sequence.ts", "beyond.set(idOf(event), event)", "void beyond"),
  mutation("ids that begin anew are never followed", "internal/renumbering.ts", "at - latest > (", "at - latest > 1e9 * ("),
  mutation("what comes late is taken for new ids", "internal/renumbering.ts", "at - latest > (", "at - latest > -1 * ("),
  mutation("duplicates pass", "internal/sequence.ts", "if (id < this.#due) {", "if (id < this.#due - 1) {"),
  mutation(
    "what waits behind a hole is overtaken",
    "internal/sequence.ts",
    "    this.#isCaughtUp = false\n    this.#intake",
    "    this.#intake"
  ),
  mutation("repair begins one too late", "internal/sequence.ts", "Effect.either(fetch(last))", "Effect.either(fetch(last + 2))"),
  mutation(
    "a hole begins one too early",
    "internal/sequence.ts",
    "onHole({ from: last + 1, to, cause: fetched.left })",
    "onHole({ from: last, to, cause: fetched.left })"
  ),
  mutation("a hole may have nothing in it", "internal/sequence.ts", "idOf(first) > last + 1", "idOf(first) > last"),
  mutation("a lagging REST interface is not waited for", "internal/sequence.ts", "if (asked === patience)", "if (asked === 0)"),
  mutation("an old candle passes", "internal/candles.ts", "if (t < next) continue", "if (t < next - 1_000) continue"),
  mutation("the last candle is taken for closed", "internal/candles.ts", "i === page.length - 1", "i === page.length"),
  mutation("a missing candle is no hole", "internal/candles.ts", "        if (t > next) {\n          yield* onEvents(closed)", "        if (t > end) {\n          yield* onEvents(closed)"),
  mutation(
    "a missed update is ignored",
    "internal/bookKeeper.ts",
    `if (outcome === "gap") return ending("an update is missing")`,
    `if (outcome === "gap") continue`
  ),
  mutation(
    "a line that brings nothing yet makes up for another",
    "internal/members.ts",
    "if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true",
    "if (other !== this) return true"
  ),
  mutation(
    "a break of the last line is forgotten when another goes on",
    "internal/members.ts",
    "if (topic.broken !== undefined) this.#tell(topic.broken)",
    "topic.broken = undefined"
  ),
  mutation(
    "each of two lines tells of the same gap",
    "internal/members.ts",
    "this.#othersBring() || told > this.#last",
    "this.#othersBring()"
  ),
  mutation(
    "a gap that was told stands for all later ones",
    "internal/members.ts",
    "    this.#last = ++topic.turn\n",
    ""
  ),
  mutation("a line was alive until its death showed", "internal/members.ts", "wasLive && !this.#isCovered()", "false"),
  mutation("a book is not told that its connection is lost", "internal/members.ts", "this.#topic.listener.lost(why)", "void why"),
  mutation(
    "an update that follows with a hole is applied",
    "binance/OrderBook.ts",
    "return U <= lastUpdateId + 1",
    "return U <= lastUpdateId + 3"
  ),
  mutation("a removed level stays", "binance/OrderBook.ts", "if (Number(level[1]) === 0) {\n        if (!there) return", "if (Number(level[1]) === 0) {\n        if (there) return"),
  mutation("the old connection is never closed", "internal/pool.ts", "          yield* close(spare)\n", ""),
  mutation(
    "a successor is not asked for proof",
    "internal/pool.ts",
    "Effect.either(proof(successor, slot.topics))",
    "Effect.either(successor.session.connection.awaitOpen)"
  ),
  mutation(
    "newcomers get the room of those that are moving there",
    "internal/pool.ts",
    "slot.topics.size + slot.spokenFor <",
    "slot.topics.size <"
  ),
  mutation("a connection that is given up takes its successor along", "internal/pool.ts", "          if (slot.renewing) continue\n", ""),
  mutation(
    "a connection that was given up is kept for one that has proven nothing",
    "internal/pool.ts",
    `proven._tag === "Right" || !(yield* isAlive(slot))`,
    `proven._tag === "Right"`
  ),
  mutation("a rolling window is half as long", "internal/rollingWindow.ts", "now - at <= millis", "now - at <= millis / 2"),
  mutation(
    "the gate forgets Retry-After",
    "DialGate.ts",
    "Duration.toMillis(Duration.max(asked, spacing))",
    "Duration.toMillis(asked === spacing ? asked : spacing)"
  ),
  mutation("the REST client forgets Retry-After", "binance/Rest.ts", "        yield* wait(retryAfter, status)\n", ""),
  mutation("REST requests are not weighed", "binance/Rest.ts", "budget.take(weight)", "budget.take(0)"),
  mutation("silence is never noticed", "internal/freshness.ts", "this.silentFor(at) > this.#allowed()", "this.silentFor(at) > Infinity"),
  mutation("what slid out of a buffer is not told", "internal/broadcast.ts", "reader.before = fold(reader.before, this.#items.slice(read, excess))", "void fold"),
  mutation("who listens does not hear what is held", "internal/broadcast.ts", "    if (held.length > 0) this.#hand([taker], held)\n", ""),
  mutation("who listens is not told of the end", "internal/broadcast.ts", "    this.#endTakers(exit)\n    this.#wakeReaders()", "    this.#wakeReaders()"),
  mutation("what somebody makes come overtakes what others have not heard", "internal/broadcast.ts", "if (this.#isHanding) {", "if (this.#later.length > 0) {"),
  mutation("what is escaped passes for itself", "internal/shape.ts", String.raw`[^"\\\x00-\x1f]*`, String.raw`[^"\x00-\x1f]*`),
  mutation("a number with more digits than are safe is read", "internal/shape.ts", String.raw`\d{0,14}`, String.raw`\d{0,16}`),
  mutation("what follows an object is not looked at", "internal/shape.ts", String.raw`\}$`, String.raw`\}`),
  mutation("a number loses its sign", "internal/shape.ts", `return isNegative ? -value : value`, `return value`),
  mutation("an empty side of a book is read as if it were not", "internal/shape.ts", `text[from + 1] === "]"`, `text[from + 1] === "}"`)
]
