// Follows a stream by its continuity: one operator for each continuity.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Continuity from "../../market/Continuity.ts"
import type { Decoder } from "../../market/Decoder.ts"
import { InvalidMessage } from "../../market/Decoder.ts"
import type { Gap, MarketEvent } from "../../market/MarketEvent.ts"
import { NotRepairable } from "../../market/MarketEvent.ts"
import type { SessionError } from "../../SessionError.ts"
import type { Message } from "../../Transport.ts"
import { excerpt } from "../json/excerpt.ts"
import type { Listener } from "../pool/coverage.ts"
import * as SlidingQueue from "../stream/slidingQueue.ts"
import * as Candles from "./candles.ts"
import * as IdReset from "./idReset.ts"
import type { EventBroadcast, Pipeline } from "./pipeline.ts"
import type { Progress } from "./repair.ts"
import type { MissingRange } from "./missingRange.ts"
import type { Output } from "./resequencer.ts"
import { Resequencer } from "./resequencer.ts"

type Followed = Effect.Effect<never, never, Scope.Scope>

/** Follows a stream until the scope closes, and broadcasts its events. */
export const follow = <A extends MarketEvent>(pipeline: Pipeline<A>): Followed => {
  const { continuity } = pipeline.stream.kind
  switch (continuity._tag) {
    case "Sequence":
      return sequence(pipeline, continuity)
    case "Candles":
      return candles(pipeline, continuity)
    case "Diffs":
    case "State":
      return latestOnly(pipeline, continuity)
    case "Unknown":
      return unordered(pipeline)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Missing events are fetched

// Decodes, orders and broadcasts a sequence. A class, since there may be thousands of them, and each message goes through one.
class Sequenced<A extends MarketEvent> implements Listener<Message>, Output<A> {
  readonly #decoder: Decoder<A>
  readonly #resequencer: Resequencer<A>
  readonly #broadcast: EventBroadcast
  readonly #now: () => number
  readonly #sequence: Continuity.Sequence<A>
  readonly #onInvalid: (error: InvalidMessage) => void
  readonly #pipeline: Pipeline<A>

  constructor(pipeline: Pipeline<A>, sequence: Continuity.Sequence<A>) {
    const { capacity, grace, now, repair } = pipeline.shared
    this.#decoder = pipeline.decoder
    this.#broadcast = pipeline.broadcast
    this.#now = now
    this.#sequence = sequence
    this.#onInvalid = pipeline.onInvalid
    this.#pipeline = pipeline
    this.#resequencer = new Resequencer({
      sequence,
      target: pipeline.stream,
      after: pipeline.after,
      limits: repair,
      grace: () => pipeline.isRedundant() ? grace : Duration.zero,
      capacity,
      output: this
    })
  }

  run(): Effect.Effect<never> {
    return this.#resequencer.run()
  }

  data(messages: ReadonlyArray<Message>): void {
    this.#resequencer.offer(this.#decoder.all(messages, this.#now(), this.#onInvalid))
  }

  // The ids show what is missing.
  gap(): void {}

  lost(): void {}

  end(exit: Exit.Exit<void, SessionError>): void {
    this.#broadcast.end(exit)
  }

  fits(count: number): boolean {
    return this.#broadcast.fits(count)
  }

  emitNow(events: ReadonlyArray<A>): void {
    this.#broadcast.unsafeOfferAll(this.#real(events))
  }

  emit(events: ReadonlyArray<A>): Effect.Effect<void> {
    return this.#pipeline.emit(this.#real(events))
  }

  emitMissing(missing: MissingRange): Effect.Effect<void> {
    return this.#pipeline.emitMissing(missing)
  }

  progress(progress: Progress): void {
    this.#pipeline.progress(progress)
  }

  reject(event: A, reason: string): void {
    this.#onInvalid(new InvalidMessage({ reason, excerpt: excerpt(JSON.stringify(event.data)) }))
  }

  #real(events: ReadonlyArray<A>): ReadonlyArray<A> {
    const sequence = this.#sequence
    if (sequence.isReal === undefined) return events
    for (const event of events) {
      if (!sequence.isReal(event)) return events.filter((each) => sequence.isReal?.(each) ?? true)
    }
    return events
  }
}

const sequence = <A extends MarketEvent>(pipeline: Pipeline<A>, continuity: Continuity.Sequence<A>): Followed =>
  Effect.suspend(() => {
    const sequenced = new Sequenced(pipeline, continuity)
    return Effect.zipRight(pipeline.listen(sequenced), sequenced.run())
  })

const candles = <A extends MarketEvent>(pipeline: Pipeline<A>, continuity: Continuity.Candles<A>): Followed =>
  Effect.gen(function*() {
    const { capacity, fillCandles, now, repair } = pipeline.shared
    const queue = SlidingQueue.make<A>(capacity)
    yield* pipeline.listen(listenerOf(pipeline, (messages) => {
      queue.offerAll(pipeline.decode(messages))
    }))
    return yield* Candles.follow({
      candles: continuity,
      target: pipeline.stream,
      queue,
      after: pipeline.after,
      limits: repair,
      fills: fillCandles,
      now,
      progress: (progress) => {
        pipeline.progress(progress)
      },
      emit: (events) => pipeline.emit(events),
      emitMissing: (missing) => pipeline.emitMissing(missing)
    })
  })

// ---------------------------------------------------------------------------------------------------------------------
// Missing events cannot be fetched

type Passed = ReadonlyArray<MarketEvent>

const listenerOf = <A extends MarketEvent>(
  { broadcast }: Pipeline<A>,
  data: (messages: ReadonlyArray<Message>) => void,
  onGap: (reason: string) => void = () => undefined
): Listener<Message> => ({
  data,
  gap: onGap,
  lost: () => undefined,
  end: (exit) => {
    broadcast.end(exit)
  }
})

// Follows a stream without putting it in order: `pass` turns the messages that arrived into the events for the readers. Nearly
// always no reader is slow, and no fibre has to wake.
const passThrough = <A extends MarketEvent>(
  pipeline: Pipeline<A>,
  pass: (arrived: SlidingQueue.Batch<ReadonlyArray<A> | NotRepairable>) => Passed,
  onGap?: (reason: string) => NotRepairable
): Followed =>
  Effect.gen(function*() {
    const { broadcast } = pipeline
    const queue = SlidingQueue.make<ReadonlyArray<A> | NotRepairable>(pipeline.shared.capacity)
    const accept = (items: ReadonlyArray<ReadonlyArray<A> | NotRepairable>, most: number) => {
      if (queue.isIdle() && broadcast.fits(most)) broadcast.unsafeOfferAll(pass({ dropped: 0, items }))
      else queue.offerAll(items)
    }
    yield* pipeline.listen(listenerOf(
      pipeline,
      (messages) => {
        const items = messages.map((message) => pipeline.decode([message]))
        // At most one gap comes before each event.
        accept(items, items.reduce((most, events) => most + 2 * events.length, 0))
      },
      onGap === undefined ? undefined : (reason) => {
        accept([onGap(reason)], 1)
      }
    ))
    for (;;) {
      yield* queue.ready
      yield* pipeline.emit(pass(queue.drain()))
    }
  })

// The last event of a symbol. Mutated in place: the garbage collector would have to move a new object for each event.
class Last<A> {
  at = Number.NEGATIVE_INFINITY
  position: number
  /** The events with lower positions and newer times that followed each other since. */
  lower: Array<A> | undefined
  /** The number of its message. */
  message = 0

  constructor(position = Number.NEGATIVE_INFINITY) {
    this.position = position
  }
}

// The most symbols of one stream that are remembered. Options expire every day, and their symbols with them.
const mostSymbols = 16_384

// The last event of each symbol. Nearly all streams have one symbol, and need no map.
class LastOfEach<A> {
  readonly #symbol: string
  readonly #own: Last<A>
  #others: Map<string, Last<A>> | undefined

  /** `after` is the position of the last event of this symbol that the reader already has. */
  constructor(symbol: string, after: number | undefined) {
    this.#symbol = symbol
    this.#own = new Last<A>(after)
  }

  of(symbol: string): Last<A> {
    return symbol === this.#symbol ? this.#own : this.#other(symbol)
  }

  #other(symbol: string): Last<A> {
    const others = this.#others ??= new Map<string, Last<A>>()
    const known = others.get(symbol)
    if (known !== undefined) return known
    const [oldest] = others.keys()
    if (oldest !== undefined && others.size >= mostSymbols) others.delete(oldest)
    const last = new Last<A>()
    others.set(symbol, last)
    return last
  }
}

// Emits only events that are newer than the last one of their symbol, and a gap before a diff that does not follow the last one.
const latestOnly = <A extends MarketEvent>(
  pipeline: Pipeline<A>,
  continuity: Continuity.Diffs<A> | Continuity.State<A>
): Followed =>
  Effect.suspend(() => {
    const isDiff = continuity._tag === "Diffs"
    // Without a time from the venue, a late copy from another connection would look like an id reset.
    const isTimed = (event: A) => isDiff || (continuity.isTimed?.(event) ?? true) || !pipeline.isRedundant()
    const lasts = new LastOfEach<A>(pipeline.stream.symbol, isDiff ? pipeline.after : undefined)
    const mostLower = isDiff ? Math.max(pipeline.shared.capacity, IdReset.several) : IdReset.several
    let message = 0
    // The events that show an id reset, the last of which is this one: one that is far newer, or several that follow each other.
    // Late copies from another connection do so too.
    const resetBy = (event: A, last: Last<A>): ReadonlyArray<A> | undefined => {
      if (!isTimed(event) || event.timestamp <= last.at) return undefined
      const before = last.lower?.at(-1)
      const position = continuity.positionOf(event)
      const follows = before !== undefined && position > continuity.positionOf(before) && event.timestamp >= before.timestamp &&
        (!isDiff || continuity.previousOf(event) <= continuity.positionOf(before))
      const lower = last.lower = follows ? last.lower ?? [] : []
      lower.push(event)
      if (lower.length > mostLower) lower.shift()
      const isShown = IdReset.isIdReset(event.timestamp, last.at) || (lower.length >= IdReset.several && !pipeline.isRedundant())
      return isShown ? lower : undefined
    }
    const passOne = (event: A, passed: Array<A | Gap>): void => {
      const last = lasts.of(event.symbol)
      const position = continuity.positionOf(event)
      if (position <= last.position) {
        // Events of one message may have one position.
        const isBeside = position === last.position && message === last.message
        const shown = position < last.position ? resetBy(event, last) : undefined
        if (!isBeside && shown === undefined) return
        if (isDiff && shown !== undefined) passed.push(pipeline.gap(IdReset.cause(), last.position + 1), ...shown.slice(0, -1))
      } else if (isDiff && last.position >= 0) {
        const previous = continuity.previousOf(event)
        if (previous > last.position) passed.push(pipeline.gap(notKept(), last.position + 1, previous))
      }
      if (last.lower !== undefined) last.lower = undefined
      last.at = event.timestamp
      last.position = position
      last.message = message
      passed.push(event)
    }
    return passThrough(pipeline, ({ items }) => {
      const passed: Array<A | Gap> = []
      for (const events of items) {
        if (events instanceof NotRepairable) continue
        message++
        for (const event of events) passOne(event, passed)
      }
      return passed
    })
  })

const notKept = () => new NotRepairable({ reason: "The venue does not keep the updates of a book." })

// Emits a gap wherever events may be missing, since nothing is known about their order.
const unordered = <A extends MarketEvent>(pipeline: Pipeline<A>): Followed =>
  passThrough(
    pipeline,
    ({ dropped, items }) => {
      const passed: Array<A | Gap> = []
      if (dropped > 0) {
        const reason = `The reader was too slow: ${dropped} messages were dropped.`
        passed.push(pipeline.gap(new NotRepairable({ reason })))
      }
      for (const item of items) {
        if (item instanceof NotRepairable) passed.push(pipeline.gap(item))
        else passed.push(...item)
      }
      return passed
    },
    (reason) => new NotRepairable({ reason })
  )
