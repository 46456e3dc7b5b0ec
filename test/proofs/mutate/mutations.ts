/**
 * Deliberate bugs, each one small change of a source file. The simulation or the tests must catch every one.
 */
export interface Mutation {
  /** The bug, in words. */
  readonly what: string
  /** The file, relative to `src`. */
  readonly file: string
  /** The text to replace. It occurs exactly once in the file. */
  readonly from: string
  /** Its replacement. */
  readonly to: string
}

const mutation = (what: string, file: string, from: string, to: string): Mutation => ({ what, file, from, to })

export const mutations: ReadonlyArray<Mutation> = [
  mutation(
    "the delay between retries is not capped",
    "ReconnectPolicy.ts",
    "(_, delay) => Duration.min(delay, maxDelay))",
    "(_, delay) => delay)"
  ),
  mutation(
    "jitter may exceed the cap",
    "ReconnectPolicy.ts",
    "Math.min(nominal * (1 + factor), cap)",
    "nominal * (1 + factor)"
  ),
  mutation("the policy ignores Retry-After", "ReconnectPolicy.ts", "Duration.max(delay))", "() => delay)"),
  mutation("the policy allows one retry too many", "ReconnectPolicy.ts", "Schedule.recurs(maxRetries)", "Schedule.recurs(maxRetries + 1)"),
  mutation(
    "an open connection resets the backoff before it is proven",
    "ReconnectPolicy.ts",
    "startsOver(loss) ? self.initial : state",
    "(startsOver(loss) || loss.opened) ? self.initial : state"
  ),
  mutation("a proven connection does not reset the number of attempts", "internal/connection/retryState.ts", "    outage = noOutage\n    lastProven", "    outage = { ...noOutage, attempt: outage.attempt }\n    lastProven"),
  mutation("the schedule gets no loss when the user replaces the connection", "internal/connection/retryState.ts", "    lastProven = lifetime\n", ""),
  mutation(
    "a user's schedule may retry before Retry-After",
    "internal/connection/reconnection.ts",
    "ReconnectPolicy.noSoonerThanAsked(ReconnectPolicy.defaults.jitterFactor)",
    "(same) => same"
  ),
  mutation("an error without a close event leaves a WHATWG socket open", "internal/transport/webSocket.ts", "        drop(ws)\n        end(1006, \"\")\n      }))", "        drop(ws)\n      }))"),
  mutation("a message overtakes a Blob that is still being read", "internal/transport/webSocket.ts", "        reading = reading.then(run)", "        void run()"),
  mutation("a limited failure gets one retry too few", "internal/connection/retryState.ts", "return count > failureClass.tries", "return count >= failureClass.tries"),
  mutation(
    "a fatal failure is retried",
    "internal/connection/retryState.ts",
    `case "Fatal":\n      return "fatal"`,
    `case "Fatal":\n      return undefined`
  ),
  mutation(
    "an outage leaves no gap in the items",
    "internal/connection/lifetime.ts",
    "inbox.mark(Item.Gap({ epoch, cause, downtime: Duration.millis(openedAt - moment), dropped: 0 }))",
    "void [cause, moment]"
  ),
  mutation(
    "a send that is cut counts as sent",
    "internal/transport/wsSend.ts",
    "tcp?.destroyed === true",
    "tcp === undefined"
  ),
  mutation(
    "a send that is issued later overtakes those that wait",
    "internal/connection/sendQueue.ts",
    "      this.#beginAll(socket)\n      return socket.send(message)",
    "      return socket.send(message)"
  ),
  mutation("a close frame is not seen", "internal/transport/wsEnd.ts", "        onEnd(code, reason.toString())\n", ""),
  mutation(
    "bytes of an unfinished message are no sign of life",
    "Liveness.ts",
    "after.received - after.control > before.received - before.control ||",
    ""
  ),
  mutation(
    "a refusal ends a connection that was proven before",
    "internal/connection/retryState.ts",
    "hasBeenProven || count <= failureClass.tries",
    "count <= failureClass.tries"
  ),
  mutation("pongs count as messages", "Liveness.ts", "after.received - after.control > before.received - before.control", "after.received > before.received"),
  mutation("the epoch does not advance", "internal/connection/lifetime.ts", "      context.epoch++\n", ""),
  mutation(
    "messages that arrive just before the peer closes are lost",
    "internal/connection/attempt.ts",
    "Effect.tapError(reading, () => buffer?.finish ?? Effect.void)",
    "reading"
  ),
  mutation(
    "messages that arrive during the handshake are delivered before it is done",
    "internal/connection/attempt.ts",
    "buffer?.hold(batch) ?? delivery.deliver(batch)",
    "delivery.deliver(batch)"
  ),
  mutation(
    "messages that find no room in the inbox are taken for delivered",
    "internal/connection/delivery.ts",
    "if (left > 0) {",
    "if (false) {"
  ),
  mutation(
    "delivered messages do not count as signs of life",
    "internal/connection/attempt.ts",
    "    delivery.noteActivity()\n",
    ""
  ),
  mutation(
    "messages that slide out of the inbox are not reported",
    "internal/connection/delivery.ts",
    "if (this.#hasWarned || inbox.lost() === this.#lostBefore) return undefined",
    "if (this.#hasWarned || batch.length > 0) return undefined"
  ),
  mutation(
    "a handshake opens a connection that is being closed",
    "internal/connection/lifetime.ts",
    `if (context.phase._tag !== "Dialling") return Effect.interrupt`,
    ""
  ),
  mutation(
    "the transport delivers messages while the handler's effect runs",
    "internal/transport/receiveBuffer.ts",
    "receiver = idle\n          const effect",
    "const effect"
  ),
  mutation(
    "a socket that ends drops the messages it still holds",
    "internal/transport/receiveBuffer.ts",
    "messages.length === 0 && end !== undefined",
    "end !== undefined"
  ),
  mutation(
    "a connection that was given up dials again before its socket is closed",
    "internal/connection/loop.ts",
    "fiber?.unsafePoll() === null ? Fiber.await(fiber) : Effect.void",
    "Effect.void"
  ),
  mutation(
    "`reconnect` does not cut the wait for the next dial short",
    "internal/connection/loop.ts",
    "Effect.raceFirst(sleep(left), skipped)",
    "sleep(left)"
  ),
  mutation(
    "the message deadline is ignored during the wait for a pong",
    "Liveness.ts",
    "Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)",
    "Effect.as(sleepUntil(sent + Duration.toMillis(pongTimeout)), false)"
  ),
  mutation(
    "a dead peer gets a close frame",
    "internal/connection/farewell.ts",
    "unexpected : terminate",
    "unexpected : undefined"
  ),
  mutation("a lost connection is dialled at another URL first", "internal/connection/endpoints.ts", "  if (proven) return { index, last, failed: 0, untried: false }\n", ""),
  mutation(
    "a refusal of one URL ends the connection before the others are tried",
    "internal/connection/endpoints.ts",
    "untried: failed + 1 < count",
    "untried: false"
  ),
  mutation("the close frame of disconnectWith stays for the next disconnect", "internal/connection/loop.ts", "context.leaving = close\n", "context.leaving = close ?? context.leaving\n"),
  mutation(
    "a missed pong is ignored",
    "Liveness.ts",
    `return new ConnectionTimeout({ deadline: "pong", after: pongTimeout })`,
    "return Effect.void"
  ),
  mutation("a stall of this process counts as silence of the peer", "internal/time/sleepPast.ts", "woke - at >= grace ", "woke - at >= Infinity "),
  mutation("the actual topics outlive the connection", "internal/session/reconciler.ts", "topics: new Map(),", "topics: new Map(epoch > 1 ? desiredTopics : []),"),
  mutation(
    "unsubscribed topics stay among the actual ones",
    "internal/session/reconciler.ts",
    "        for (const topic of topics) on.topics.delete(topic)\n",
    ""
  ),
  mutation(
    "a refused request to unsubscribe counts as done",
    "internal/session/answers.ts",
    `if (method === "unsubscribe") return { _tag: "StillSubscribed", topics }`,
    `if (method === "unsubscribe") return { _tag: "Unsubscribed", topics }`
  ),
  mutation(
    "a topic that is refused when it is requested again is not unsubscribed",
    "internal/session/wire.ts",
    "if (requestedBefore.has(topic)) wire.topics.set(topic, undefined)\n    else wire.topics.delete(topic)",
    "wire.topics.delete(topic)"
  ),
  mutation("an answer that names some topics settles all of them", "internal/session/answers.ts", "named === undefined ? unsettled : unsettled.filter((topic) => named.includes(topic))", "unsettled"),
  mutation("a request that is to be made later is made at once", "internal/session/setbacks.ts", "on.postponed.add(topic)", "void topic"),
  mutation("a heartbeat that is not answered is forgiven", "internal/session/heartbeat.ts", "if (!mayBeStuck({ first, second }, vitals())) {", "if (mayBeStuck({ first, second }, vitals()) && false) {"),
  mutation("a heartbeat whose answer is stuck behind unread data ends the connection", "internal/session/stuck.ts", "suspendedAt !== undefined || resumedAt >= first.at || ", ""),
  mutation("an answer to a heartbeat counts as data", "internal/session/dispatcher.ts", "if (messages.length > 0) last = at", "last = at"),
  mutation("a topic that is not answered makes its neighbours redial", "internal/session/reconciler.ts", "if (on.served.size > 0) setbacks.unanswered", "if (on.served.size < 0) setbacks.unanswered"),
  mutation("a topic that the peer dropped has no gap", "internal/session/reconciler.ts", "on.dropped.set(topic, { at: moment(), reason })", "void moment"),
  mutation("what cannot be written is not tried again", "internal/session/setbacks.ts", "tell(Option.some(again(on, topics, others.length === 0 ? [] : halvesOf(topics))))", "tell(Option.some(Duration.zero))\n    for (const topic of topics) on.postponed.add(topic)"),
  mutation("a topic is taken for another one with the same hash", "internal/session/topicCache.ts", "!likely.isDesired || !isInSpan(likely.topic, text, span)", "!likely.isDesired"),
  mutation("a gap is reported although another connection brought everything", "internal/pool/coverage.ts", `live: { everything: "-", later: "gap", reported: "gap"`, `live: { everything: "gap", later: "gap", reported: "gap"`),
  mutation("a topic without subscribers still counts as desired", "internal/session/desired.ts", "entry.isDesired = false", "void entry"),
  mutation("requests ignore the rate limit", "internal/session/reconciler.ts", "on.pace.take(1)", "Effect.void"),
  mutation(
    "a request that was not answered is not made again",
    "internal/session/reconciler.ts",
    "for (const topic of topics) on.topics.set(topic, undefined)",
    ""
  ),
  mutation("events that were fetched from beyond the missing range are forgotten", "internal/feed/missingRange.ts", "beyond.set(idOf(event), event)", "void beyond"),
  mutation("an id reset is never followed", "internal/feed/idReset.ts", "at - latest > inUnitOf(at, newerBy)", "at - latest > 1e9 * inUnitOf(at, newerBy)"),
  mutation("a late event is taken for an id reset", "internal/feed/idReset.ts", "at - latest > inUnitOf(at, newerBy)", "at - latest > -inUnitOf(at, newerBy)"),
  mutation("duplicates are delivered", "internal/feed/resequencer.ts", "if (id < this.#due) {", "if (id < this.#due - 1) {"),
  mutation(
    "new events overtake those that wait behind a missing range",
    "internal/feed/resequencer.ts",
    "    this.#isCaughtUp = false\n    this.#queue",
    "    this.#queue"
  ),
  mutation("a repair begins one id too late", "internal/feed/missingRange.ts", "archive.from(last)", "archive.from(last + 2)"),
  mutation(
    "a missing range begins one id too early",
    "internal/feed/missingRange.ts",
    "return partial(last + 1, to, fetched.left)",
    "return partial(last, to, fetched.left)"
  ),
  mutation("a missing range may be empty", "internal/feed/missingRange.ts", "idOf(first) > last + 1", "idOf(first) > last"),
  mutation("a lagging REST interface is not asked again", "internal/feed/lag.ts", "useless === attemptsAtMost", "useless === 0"),
  mutation("an old candle is delivered", "internal/feed/candles.ts", "if (opens < next) continue", "if (opens < next - 1_000) continue"),
  mutation("the last candle of a page counts as closed", "internal/feed/candles.ts", "i === page.length - 1", "i === page.length"),
  mutation("a missing candle is not noticed", "internal/feed/candles.ts", "      if (opens > next) {\n        if (i", "      if (opens > end) {\n        if (i"),
  mutation("a candle that never was is a gap", "internal/feed/candles.ts", "if (i === 0) yield* emitMissing", "if (i >= 0) yield* emitMissing"),
  mutation("a stream that resumes waits for its next event", "internal/feed/resequencer.ts", "      yield* this.#resume()\n", ""),
  mutation("all of a gap beyond its limit is fetched", "internal/feed/missingRange.ts", "if (to - last > most) yield*", "if (to < 0) yield*"),
  mutation("a repair has no end in time", "internal/feed/repair.ts", "if (this.#isSkipped || ", "if (this.#began < 1e15 || "),
  mutation("ids that REST leaves out are no gap", "internal/feed/missingRange.ts", "      if (id > next) {\n", "      if (id < 0) {\n"),
  mutation("a REST interface with another clock has reset its ids", "internal/feed/archive.ts", "this.#ahead = this.timeOf(stored) - this.timeOf(received)", "this.#ahead = 0"),
  mutation("what is held before ids begin anew is lost", "internal/feed/resequencer.ts", "[...doubt.from(doubt.first), ...newer]", "newer"),
  mutation("an event that is said again is taken for an id reset", "internal/feed/idReset.ts", "near(storedAt, knownAt + restAhead)) return \"Repeats\"", "near(storedAt, knownAt + restAhead)) return \"Reset\""),
  mutation("a REST interface that lags denies an id reset", "internal/feed/doubt.ts", "isDenied && !Lag.isOver(inquiry.answers) ? \"Undecided\" : answered", "answered"),
  mutation("an id that is none moves the position", "internal/feed/resequencer.ts", "first - this.#due <= this.#sequence.pageSize", "first - this.#due >= 0"),
  mutation("an id that is none within a page is believed", "internal/feed/resequencer.ts", "goesOn.length >= atLeast", "goesOn.length < 0"),
  mutation("an id that is none in a quiet market is believed", "internal/feed/resequencer.ts", "hasNoMore ? 1 : IdReset.several", "hasNoMore ? IdReset.several : IdReset.several"),
  mutation("clocks are compared by an id that is none", "internal/feed/archive.ts", "        if (isRefuted()) return undefined\n", ""),
  mutation("ids that begin anew are old ones", "internal/feed/resequencer.ts", "if (this.#isNew(event, events.at(-1))) yield* this.#doubtAbout(id, event)", "void event"),
  mutation("silence proves that a topic is dead", "internal/session/idle.ts", "if (entry.tracker.proves(count, answer.at) && entry.tracker.mayRemedy(moment())) yield* remedyStale(entry)", "if (!entry.tracker.observedSince(answer.at)) yield* fail(entry)"),
  mutation("a topic that is stale again is not moved", "internal/session/idle.ts", "const isMoved = !isFirst && naming", "const isMoved = isFirst && !isFirst && naming"),
  mutation("a topic that is refused for good does not end", "internal/session/setbacks.ts", "      if (entry !== undefined) finish(entry, Exit.fail(error))", "      void entry"),
  mutation("an answer about all symbols serves only those that were asked about", "internal/feed/activity.ts", " || latest?.counts.has(key) === true", ""),
  mutation("updates are lost for a minute when their ids begin anew", "internal/feed/operators.ts", "lower.length >= IdReset.several", "lower.length < 0"),
  mutation("a page of REST is not put in order", "binance/internal/pages.ts", "[...page].sort((a, b) => positionOf(a) - positionOf(b))", "page"),
  mutation("what was not asked for is taken", "binance/internal/pages.ts", "!(position >= from && position <= to)", "position !== position"),
  mutation("bodies have no bound", "binance/internal/body.ts", "size > largest", "size < 0"),
  mutation("the API key goes along with a redirect", "binance/Rest.ts", "{ ...init, redirect: \"error\" }", "{ ...init }"),
  mutation("the API key goes with no request", "binance/Rest.ts", "        key: apiKey,\n        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, \"trades\")", "        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, \"trades\")"),
  mutation("block trades are fetched without the API key", "binance/Rest.ts", "        key: apiKey,\n        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, \"block trades\")", "        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, \"block trades\")"),
  mutation("a book drops levels without a word", "market/OrderBook.ts", "    dropped += excess\n", ""),
  mutation("a book drops updates that wait for a snapshot without a word", "internal/feed/bookUpdates.ts", "    this.#onDropped(dropped + items", "    void (dropped + items"),
  mutation("a recording without events is left where its streams do not exist", "internal/recording/recorder.ts", "isUseless ? fs.remove(current) : ", ""),
  mutation("a book asks for the usual speed by an ending", "binance/internal/streams.ts", "speed === usual ? \"\" : ", ""),
  mutation("open interest that fails is asked for at the same pace", "binance/internal/openInterest.ts", "every * 2 ** failures++", "every"),
  mutation("COIN-M and USD-M futures have a weight limit each", "binance/internal/weightLimiter.ts", "`${weighedWith} ${weightPerMinute}`", "`${rest} ${weightPerMinute}`"),
  mutation("missed events of a rare kind wait for the next one", "internal/feed/resequencer.ts", "if (isToCheck) yield* this.#catchUp(this.#due - 1)", "void isToCheck"),
  mutation("a missing key is said to be a lag", "internal/feed/missingRange.ts", "unreached ?? new NotServedYet()", "new NotServedYet()"),
  mutation("a stream that begins with the last events has one too few", "internal/feed/archive.ts", "return id - beginning.count\n", "return id - beginning.count + 1\n"),
  mutation("readers that begin in the past share a pipeline", "internal/feed/feed.ts", "beginning: Beginning.resolve(from) }", "beginning: Either.map(Beginning.resolve(from), (each): Beginning.Beginning => Data.struct(each)) }"),
  mutation("the budget of REST is not asked", "binance/Rest.ts", "Effect.zipRight(granted(weight))", "Effect.asVoid"),
  mutation("events of another kind are delivered", "internal/feed/feed.ts", "first === undefined || first.type === type", "first === undefined || first.type !== \"\""),
  mutation("one of several streams that fails ends the others", "internal/feed/feed.ts", "sourceOf), measured, told)", "sourceOf), measured)"),
  mutation("a stream that has ended is not asked for anew", "internal/feed/feed.ts", "broadcast.ended() === undefined ? Effect", "broadcast.ended() !== null ? Effect"),
  mutation("a name that the venue does not have is asked for", "internal/feed/feed.ts", "checked?.venue.check?.(stream.name)", "checked?.venue.check?.(\"btcusdt@trade\")"),
  mutation("a symbol that the venue does not list stays subscribed", "internal/feed/feed.ts", "        return closeScope(scope, Exit.void)", "        return Effect.void"),
  mutation("the symbols of a stream share a position", "internal/feed/operators.ts", "symbol === this.#symbol ? this.#own : this.#other(symbol)", "symbol === this.#symbol || symbol !== \"\" ? this.#own : this.#other(symbol)"),
  mutation("the user's `classify` is ignored", "internal/feed/feed.ts", "classify?.(error, ofVenue) ?? ofVenue", "ofVenue"),
  mutation("the venue's limit on dials is ignored", "internal/feed/feed.ts", "...venue.limits.dials", ""),
  mutation("the end of a message's envelope is not checked", "internal/feed/decoder.ts", "Shape.make(schema, envelope.end)", "Shape.make(schema)"),
  mutation("an id without a real event is delivered", "internal/feed/operators.ts", "if (sequence.isReal === undefined) return events", "if (events.length > 0) return events"),
  mutation(
    "a missing update of a book is ignored",
    "internal/feed/bookSynchroniser.ts",
    `if (reason !== undefined) return ending(reason, from(drained, at))`,
    `if (outcome === "gap") continue`
  ),
  mutation("a lost connection counts as a failure of the snapshot", "internal/feed/bookSynchroniser.ts", "hasFailed = !ended.isByLoss && ", "hasFailed = "),
  mutation("updates before a missing one are held for a snapshot", "internal/feed/bookSynchroniser.ts", "if (isSnapshot || isIdReset || isMissing) diffs", "if (isSnapshot || isIdReset) diffs"),
  mutation("a book that runs out of levels takes no new snapshot", "internal/feed/bookSynchroniser.ts", "book.known(side) < depth.leastKnown", "book.known(side) < 0"),
  mutation("a snapshot is no deeper than wanted", "internal/feed/bookDepth.ts", "allowed(Math.max(timesDesired * desired, limitAtLeast))", "allowed(desired)"),
  mutation("a difference from the snapshot is not seen", "internal/feed/bookDifferences.ts", "if (Number(other) !== Number(quantity)) found.push", "if (other === undefined) found.push"),
  mutation("levels without end are kept", "market/OrderBook.ts", "        if (levels.length > most) trim()\n", ""),
  mutation("the horizon stays where levels were forgotten", "market/OrderBook.ts", "keyOf(side, worst) > keyOf(side, horizon))) horizon = worst", "keyOf(side, worst) > keyOf(side, horizon))) horizon = undefined"),
  mutation("a checksum is not compared", "market/OrderBook.ts", "rules.agrees === undefined || rules.agrees(diff, { top })", "rules.agrees === undefined || rules.agrees(diff, { top }) || true"),
  mutation("an audit does not wait for the budget", "internal/feed/bookRefresher.ts", `purpose === "audit" ? auditTurn : Effect.void`, "Effect.void"),
  mutation(
    "a connection without data makes up for another one's loss",
    "internal/pool/coverage.ts",
    "if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true",
    "if (other !== this) return true"
  ),
  mutation(
    "the gap of the last live connection is forgotten when another one has data",
    "internal/pool/coverage.ts",
    "if (topic.broken !== undefined) this.#reportGap(topic.broken)",
    "topic.broken = undefined"
  ),
  mutation(
    "two connections report the same gap twice",
    "internal/pool/coverage.ts",
    `broken === undefined && reported > this.#last ? "reported" : "nothing"`,
    `"nothing"`
  ),
  mutation(
    "a reported gap hides later ones",
    "internal/pool/coverage.ts",
    "    this.#last = ++this.#topic.turn\n",
    ""
  ),
  mutation("a lost connection counts as live until the loss is noticed", "internal/pool/coverage.ts", `live: { everything: "-", later: "gap", reported: "break"`, `live: { everything: "-", later: "-", reported: "break"`),
  mutation("a book does not learn that its connection is lost", "internal/pool/coverage.ts", "this.#topic.listener.lost(why)", "void why"),
  mutation(
    "an update of a book after missing ones is applied",
    "binance/internal/bookRules.ts",
    "return U <= id + 1",
    "return U <= id + 3"
  ),
  mutation("a removed level of a book stays", "market/OrderBook.ts", "if (Number(level[1]) === 0) {\n        if (!there) return", "if (Number(level[1]) === 0) {\n        if (there) return"),
  mutation("a renewal never closes the predecessor", "internal/pool/pool.ts", "      yield* close(spare)\n", ""),
  mutation(
    "a successor does not have to prove itself",
    "internal/pool/pool.ts",
    "Effect.either(proof(successor, slot.topics))",
    "Effect.either(successor.session.connection.awaitOpen)"
  ),
  mutation(
    "new topics take the room of topics that are moving into a slot",
    "internal/pool/placement.ts",
    "slot.topics.size + reserved(slot, capacity) <",
    "slot.topics.size <"
  ),
  mutation("a connection that fails takes its successor along", "internal/pool/pool.ts", `alive || slot.work._tag !== "Idle"`, "alive"),
  mutation(
    "a renewal chooses a successor that has failed since its proof",
    "internal/pool/pool.ts",
    "isProven && (yield* isAlive(successor)) && (",
    "isProven && ("
  ),
  mutation(
    "a renewal chooses a successor that is away",
    "internal/pool/pool.ts",
    "((yield* isOpen(successor)) || !(yield* isOpen(slot.pooled)))",
    "true"
  ),
  mutation(
    "a merge moves topics to a connection that has failed",
    "internal/pool/pool.ts",
    "isProven && slots.has(into) && (yield* isAlive(into.pooled))",
    "isProven && slots.has(into)"
  ),
  mutation("a connection is closed while its last events are on their way", "internal/pool/pool.ts", "        if (Either.isRight(proven)) yield* catchUp(slot.pooled, successor)\n", ""),
  mutation(
    "a failed connection is kept instead of a successor that is not proven",
    "internal/pool/pool.ts",
    "(isBetter || !(yield* isAlive(slot.pooled)))",
    "isBetter"
  ),
  mutation(
    "a caller that waits for the window ignores a hold that was set meanwhile",
    "internal/time/rateLimiter.ts",
    "heldAt(now) === undefined ? Effect.void : acquire(cost, onHold)",
    "Effect.void"
  ),
  mutation("a rolling window is half as long as it should be", "internal/time/rollingWindow.ts", "now - at <= millis", "now - at <= millis / 2"),
  mutation(
    "the dial gate ignores Retry-After",
    "DialGate.ts",
    "Duration.toMillis(Duration.max(asked, spacing))",
    "Duration.toMillis(asked === spacing ? asked : spacing)"
  ),
  mutation("a ban ends the connection for good", "binance/Failure.ts", "error.status === 418", "error.status === 0"),
  mutation("the REST client ignores Retry-After", "binance/Rest.ts", "        yield* wait(retryAfter, status)\n", ""),
  mutation("REST requests have no weight", "binance/Rest.ts", "limiter.acquire(weight,", "limiter.acquire(0,"),
  mutation("a topic is never stale", "internal/session/cadence.ts", "this.idleFor(at) > this.#allowed()", "this.idleFor(at) > Infinity"),
  mutation("`forEach` does not wait for the effect of the last event", "internal/stream/cursors.ts", "{ discard: true }", `{ discard: true, concurrency: "unbounded" }`),
  mutation(
    "a `forEach` that fails leaves its cursor open",
    "internal/stream/cursors.ts",
    "runForEach(positions, select, f), ({ leave }, exit) => leave(exit))",
    "runForEach(positions, select, f), () => Effect.void)"
  ),
  mutation(
    "`EventsDropped` does not count events that were dropped earlier",
    "internal/stream/eventStream.ts",
    " + (marker !== undefined && isMarker(marker) ? marker.count : 0)",
    ""
  ),
  mutation("items that slide out of a buffer leave no marker", "internal/stream/broadcast.ts", "reader.before = options.fold(reader.before, this.#items.slice(read, excess), bound)", "void options"),
  mutation("the inbox has no bound in bytes", "internal/stream/broadcast.ts", "if (bytes > 0 && bytes + size > measure.max) break", "void size"),
  mutation("a message larger than the inbox waits for ever", "internal/stream/broadcast.ts", "if (bytes > 0 && bytes + size > measure.max) break", "if (bytes + size > measure.max) break"),
  mutation("a reader takes all bytes that are held", "internal/stream/broadcast.ts", "if (bytes > mostTaken) return Math.max(index, from + 1)", "void from"),
  mutation("a writer that waits for room does not see what was made just before", "internal/stream/broadcast.ts", "if (this.#ended !== undefined || this.#fitting(rest) > 0) {", "if (this.#ended !== undefined) {"),
  mutation("a handshake that asks for more than the inbox holds waits for it", "internal/connection/handshakeBuffer.ts", "if (isStuck()) return new", "if (isStuck() && isReleasing) return new"),
  mutation("a receiver that its handler stopped takes messages", "internal/transport/receiveBuffer.ts", "if (isStopped) return", "void isStopped"),
  mutation("a new listener does not get the items held", "internal/stream/broadcast.ts", "    if (held.length > 0) this.#deliver([listener], held)\n", ""),
  mutation("a listener does not get the end", "internal/stream/broadcast.ts", "    this.#endListeners(exit)\n    this.#wakeReaders()", "    this.#wakeReaders()"),
  mutation("a delivery that a listener causes overtakes the one under way", "internal/stream/broadcast.ts", "if (this.#isDelivering) {", "if (this.#later.length > 0) {"),
  mutation("an escaped text is read as if it were not escaped", "internal/json/compiledReader.ts", String.raw`[^"\\\x00-\x1f]*`, String.raw`[^"\x00-\x1f]*`),
  mutation("a number that is not a safe integer is read", "internal/json/compiledReader.ts", String.raw`\d{0,14}`, String.raw`\d{0,16}`),
  mutation("the text after an object is not checked", "internal/json/compiledReader.ts", "patternOf(parts)}$`", "patternOf(parts)}`"),
  mutation("white space within a text is taken for white space around it", "internal/json/compiledReader.ts", "while (!isQuoted && isWhiteSpace", "while (isWhiteSpace"),
  mutation("a number loses its sign", "internal/json/compiledReader.ts", `return isNegative ? -value : value`, `return value`),
  mutation("a send that left the queue is still sent", "internal/connection/sendQueue.ts", "if (position >= 0) this.#waiting?.splice(position, 1)", "void position"),
  mutation("a send gives up on a socket that has ended, though it has a deadline", "internal/connection/sendQueue.ts", "Exit.isFailure(exit) && Cause.isFailure(exit.cause)) return false", "Exit.isFailure(exit) && Cause.isDie(exit.cause)) return false"),
  mutation("what waits in this process counts as sent", "internal/transport/progress.ts", "handle.bytesWritten - handle.writeQueueSize", "handle.bytesWritten"),
  mutation("the end of the stream is seen only with the end of TCP", "internal/transport/wsEnd.ts", `_receiver.once("finish"`, `_receiver.once("finished"`),
  mutation("a REST request is given up by the wall clock", "internal/time/upTo.ts", "Effect.flatMap(monotonic, (moment) =>", "Effect.flatMap(Effect.succeed(now), (moment) =>"),
  mutation("a Retry-After date is read against our own clock", "internal/transport/retryAfter.ts", "Math.max(0, until - sent)", "Math.max(0, until - now)"),
  mutation("data of a topic is timed by the wall clock", "internal/session/dispatcher.ts", "      const at = moment()\n", "      const at = now()\n"),
  mutation("an empty side of a book is read as a level", "internal/json/compiledReader.ts", `text[from + 1] === "]"`, `text[from + 1] === "}"`),
  mutation("a redirect takes the credentials to another origin", "internal/transport/followRedirects.ts", "follow({ trusted: concealing(foreign), foreign }, withoutCredentials(to), count + 1)", "follow({ trusted: concealing(foreign), foreign }, to, count + 1)"),
  mutation("a redirect shows the client's certificate to another origin", "internal/transport/followRedirects.ts", "{ trusted: concealing(foreign), foreign }", "{ trusted: concealing(dial.trusted), foreign }"),
  mutation("a redirect may lead from TLS to plain text", "internal/transport/redirect.ts", `if (from.protocol === "wss:" && scheme === "ws:")`, "if (from.host === \"\")"),
  mutation("a connection knows no secret of its proxy", "internal/connection/dial.ts", "{ ...asked, proxies: transport.proxies }", "asked"),
  mutation("a dial that is given up keeps its connection to a silent proxy", "internal/transport/proxyAgent.ts", "if (isPending) controller.abort()", "void isPending"),
  mutation("a proxy's refusal is taken for the server's", "internal/transport/proxyAgent.ts", "if (status === 200 && !signal.aborted) return socket", "if (!signal.aborted) return socket"),
  mutation("NO_PROXY is ignored", "internal/transport/proxyChoice.ts", "isExempt(list, url.hostname, portOf(url)) ? undefined : ", ""),
  mutation("a redactor ignores base64", "internal/transport/redactor.ts", "    ...coded.flatMap((needle) => occurrences", "    ...[].flatMap((needle) => occurrences"),
  mutation("a redactor leaves what a cut left of a secret", "internal/transport/redactor.ts", "return at === undefined ? [] : [[from[at] ?? 0, end]]", "return at === undefined ? [] : []"),
  mutation("the reason of a close frame is shown as it came", "internal/transport/redactor.ts", "const reason = this.text(error.reason)\n        return reason === error.reason ? error : new Errors.ConnectionClosed", "const reason = error.reason\n        return reason === error.reason ? error : new Errors.ConnectionClosed"),
  mutation("a body is cut before its secrets are removed", "internal/transport/redactor.ts", "this.text(error.body).slice(0, longestBody)", "this.text(error.body.slice(0, longestBody))"),
  mutation("an object is sent as [object Object]", "internal/connection/sendable.ts", "typeof message !== \"string\" && !isBytes(message)", "message === undefined"),
    mutation("Deno's code 0 for a cut socket is shown as a close code", "internal/transport/webSocket.ts", "numberOf(event.code, 0) || 1006", "numberOf(event.code, 0)"),
    mutation("a question about activity proves nothing", "internal/session/cadence.ts", "isComparable && activity > this.#activity", "isComparable && activity < this.#activity"),
    mutation("activity proves that a topic is stale though its data has come", "internal/session/cadence.ts", " && !this.observedSince(this.#activityAt)", ""),
    mutation("the time between two remedies for an idle topic does not grow", "internal/session/cadence.ts", "this.#firstAllowed(cadence) * 2 ** this.#remedies", "this.#firstAllowed(cadence)"),
    mutation("each stale stream gets a connection of its own", "internal/pool/pool.ts", "Placement.withRoom(others, capacity) ?? (yield*", "undefined ?? (yield*"),
    mutation("a jump of the wall clock goes unnoticed", "internal/time/clockJumps.ts", "Math.abs(offset - before) >= least", "offset === Infinity"),
    mutation("a refusal ends a successor at once, though the pool is served", "internal/connection/retryState.ts", "hasBeenProven || isTrusted()", "hasBeenProven"),
    mutation("the network that comes back ends no wait", "internal/connection/loop.ts", "Effect.raceFirst(skipWait.await, untilOnline(network))", "skipWait.await"),
    mutation("the budget of a gate is not asked", "DialGate.ts", "Effect.zipRight(own.take(cost), granted)", "own.take(cost)"),
    mutation("a check after a jump outlives its connection, and ends the next one", "internal/connection/suspicion.ts", "    run?.unsafeInterruptAsFork(FiberId.none)\n", ""),
    mutation("parts of a message are looked for only once in each deadline", "Liveness.ts", "const checksPerTimeout = 4", "const checksPerTimeout = 1"),
    mutation("parts of a message that came during a stall are not seen", "Liveness.ts", "Math.max(activity.lastRead + millis, now + untilNextCheck)", "activity.lastRead + millis"),
    mutation("an answer that is stuck behind a slow message is taken for missing", "internal/session/stuck.ts", "{ first, second }, vitals()) ? untilLate", "{ first, second }, undefined) ? untilLate"),
    mutation("a session that nobody answered resets the backoff", "ReconnectPolicy.ts", "  loss.isAccepted &&\n", ""),
    mutation("an interruption during the close of a connection is lost", "internal/closeScope.ts", "Effect.flatMap(Effect.forkDaemon(Scope.close(scope, exit)), (fiber) => Effect.flatten(Fiber.await(fiber)))", "Scope.close(scope, exit)"),
    mutation("a session that nobody answers dials again at once", "internal/session/reconciler.ts", "handle.fail(new NotAcknowledged({ requests: fruitlessAtMost, after: answerTimeout }))", "yield* Effect.ignore(connection.reconnect(\"nobody answers\"))"),
    mutation("intervals are measured with the wall clock", "internal/time/monotonic.ts", "Number(clock.unsafeCurrentTimeNanos()) / 1e6", "clock.unsafeCurrentTimeMillis()"),
    mutation("a refusal that may pass is final", "binance/internal/restRefusal.ts", "isRequestIssue(code) || finalGeneral.has(code)", "true"),
    mutation("data from before a topic was dropped outranks a refusal", "internal/session/served.ts", "entry.tracker.observed() > entry.observedAtDrop", "entry.tracker.observed() > 0"),
    mutation("a bare answer that comes after the data is taken for that of the next request", "internal/session/reconciler.ts", "wire === undefined || late.isOwed(wire, answer)", "wire === undefined"),
    mutation("a topic that the peer dropped makes the session redial for its sake", "internal/session/reconciler.ts", "      on.served.delete(topic)\n      const entry", "      const entry"),
    mutation("a checksum does not continue the one before", "internal/recording/chain.ts", "crc32(text, Number.parseInt(before, 16))", "crc32(text)"),
    mutation("a recording goes on after a line that somebody has added", "internal/recording/inspect.ts", "link === undefined || !follows(link, chain)", "link === undefined"),
    mutation("a line that somebody altered is no problem", "internal/recording/verify.ts", "chain !== undefined && !follows(link, chain)", "chain !== undefined && link.line !== chain.line + 1"),
    mutation("a file that was moved is still written to", "internal/recording/recorder.ts", "if (isSame && presentSize === writing.size) return\n", "if (presentSize === writing.size || presentSize === 0) return\n"),
    mutation("the lock of a process that has ended is kept", "internal/recording/lock.ts", "running && (since", "running || (since"),
    mutation("a lock appears before its content", "internal/recording/lock.ts", "() => fs.link(aside, file), () => removeAside", "() => fs.writeFileString(file, own, { flag: \"wx\" }).pipe(Effect.zipRight(removeAside)), () => Effect.void"),
    mutation("another text after a recording is cut off as a torn line", "internal/recording/inspect.ts", "(yield* isTornAt(file, found))", "found.torn >= 0"),
    mutation("a torn line is not cut off", "internal/recording/recorder.ts", "found.torn === 0 ? Effect.void", "found.torn >= 0 ? Effect.void"),
    mutation("a recording has no lines of positions", "internal/recording/writer.ts", "if (this.#written > this.#most) text +=", "if (this.#written < 0) text +="),
    mutation("an end that was cut off is no problem", "internal/recording/verify.ts", "this.#isNumbered && !this.#isClosed && !isOpen", "this.#isNumbered && !this.#isClosed && isOpen"),
    mutation("the order of events that two streams have in common is judged", "internal/recording/verify.ts", "if (coverage.isShared) {", "if (coverage.isShared && coverage.count < 0) {"),
    mutation("a line of any length is read", "internal/recording/lines.ts", "rest.length > longestLine", "rest.length < 0"),
    mutation("a file that is half compressed has its last name", "internal/recording/compress.ts", "through(path, createGzip(), partOf(target))", "through(path, createGzip(), target)"),
    mutation("a file is read twice when its compressed form is there too", "internal/recording/names.ts", "plain !== file && given.has(plain)", "plain === \"\" && given.has(plain)"),
    mutation("the time zones of candles are one series", "binance/internal/recordedSeries.ts", "${interval} ${phaseOf(interval, begins)}", "${interval} ${phaseOf(interval, 0)}"),
    mutation("a line that is no event is left out", "binance/Recording.ts", "guards.get(type)?.(data) ?? true", "guards.has(type) || data !== undefined"),
    mutation("pages of any origin may ask the embedded exchange", "binance/exchange/Access.ts", "!isLoopback(hostOfOrigin(origin)) && !isIn(origins, origin)", "!isIn(origins ?? \"any\", origin)"),
    mutation("any name may lead to the embedded exchange", "binance/exchange/Access.ts", "isHostAllowed(host, hosts)", "isHostAllowed(host, hosts ?? \"any\")"),
    mutation("a page of another port may ask the observer", "internal/observe/guard.ts", "!isSameOrigin(origin, host) && !isIn(origins, origin)", "host === undefined"),
    mutation("a cookie is good for ever", "internal/observe/token.ts", " && Number(expires) > now && Number(expires) <= now + sessionLasts", ""),
    mutation("a stream that is stale is ready", "internal/observe/readiness.ts", "return stream.isStale ? \"stale\" : undefined", "return undefined"),
    mutation("a gap is not counted", "internal/feed/pipeline.ts", "    this.counters.gap(cause._tag)\n", ""),
    mutation("an output that nobody reads is waited for", "cli/output.ts", "Effect.interruptible, Effect.timeoutOption(longestFlush)", "Effect.interruptible"),
    mutation("what a slow reader has not read piles up", "cli/output.ts", "stream.writableLength > most ||", "stream.writableLength < 0 ||"),
    mutation("REST has what is before a missing range of a recording", "cli/replayedRest.ts", "items[i - 1]?.next !== key", "items[i - 1]?.next === undefined"),
    mutation("REST has what was not played yet", "cli/replayedRest.ts", "at <= played + 1).map", "at >= 0 && played >= 0).map"),
    mutation("a wide character takes one column", "cli/width.ts", "wide.test(grapheme) ? 2", "wide.test(grapheme) ? 1"),
    mutation("a run that never connected has succeeded if it was interrupted", "cli/exitCode.ts", "(exit.cause)) return interrupted", "(exit.cause)) return done"),
    mutation("headers with the same name replace each other", "cli/message.ts", "before === undefined ? value :", "before !== value ? value :"),
    mutation("a rotated file is named by a clock that went back", "internal/recording/names.ts", "Math.max(at, before + 1)", "at"),
    mutation("updates of a book that are missing since a restart have no gap", "internal/feed/operators.ts", "isDiff && beginning._tag === \"After\" ? beginning.position : undefined", "undefined"),
    mutation("a loop that is left keeps its reader", "promise/reader.ts", "Effect.zipRight(interrupted, Scope.close(this.#scope, Exit.void))", "interrupted"),
    mutation("the feed of a handle outlives its last loop", "promise/reader.ts", "Scope.extend(scope))", "Effect.provideService(Scope.Scope, Effect.runSync(Scope.make())))"),
    mutation("a closed signal does not fail the loops", "promise/reader.ts", "this.#setting.signal?.throwIfAborted()", "void this.#setting.signal"),
    mutation("messages are taken although nobody listens any more", "promise/connect.ts", "listeners.count(\"message\") === 0", "listeners.count(\"message\") < 0"),
    mutation("an unknown option is accepted", "promise/InvalidArgument.ts", "if (ofOption === undefined) {", "if (ofOption === undefined && name === \"\") {"),
    mutation("the drop-in sends what waits after the event open", "compat/reconnecting-websocket.ts", "        for (const data of this.#queue.splice(0)) this.#write(data)\n        this.#tell(new Event(\"open\"))", "        this.#tell(new Event(\"open\"))\n        for (const data of this.#queue.splice(0)) this.#write(data)"),
    mutation("what follows a Blob overtakes it", "compat/reconnecting-websocket.ts", "this.#reading === undefined && !(content instanceof Promise)", "!(content instanceof Promise)"),
    mutation("the drop-in dials again after a close that a listener asked for", "compat/reconnecting-websocket.ts", "    this.#isRequested = false\n    this.#stop(code, reason)", "    if (this.#readyState !== closed) this.#stop(code, reason)")
]
