// Topics spread over connections: placed where there is room, on several at once where that is asked for, and moved to
// a successor before a connection's known end.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Session from "../../Session.ts"
import { sleep } from "../time/sleep.ts"
import type { Listener, Topic } from "./coverage.ts"
import { makeTopic } from "./coverage.ts"
import * as Placement from "./placement.ts"
import type { PooledConnection } from "./pooledConnection.ts"
import * as Members from "./pooledConnection.ts"
import type { Slot } from "./slot.ts"
import { idle, isAlive, connectionsOf, topicsOf } from "./slot.ts"

export interface Options<A, N> extends Members.Options<A, N> {
  readonly topicsPerConnection: number
  /** On how many connections each topic runs at once. */
  readonly redundancy: number
  /** How old a connection gets before it is renewed; each draws its own age, up to a tenth less. */
  readonly maxAge: Duration.Duration
  /** Whether a notice says that the connection will end soon. */
  readonly isEnding: (notice: N) => boolean
}

export interface Pool<A> {
  /** Hears a topic on every line, for as long as the scope lives. The listener hears the same data once a line. */
  readonly listen: (path: string, topic: string, listener: Listener<A>) => Effect.Effect<void, never, Scope.Scope>
  /** Renews every connection, each after its successor has proven itself. Says how many were. */
  readonly rotate: Effect.Effect<number>
  /** Whether a topic may be coming over more than one connection now. */
  readonly isRedundant: (topic: string) => boolean
  readonly sessions: () => ReadonlyArray<Session.Session<A>>
}

// How long an empty connection is kept, for those who leave one topic to take another.
const linger = Duration.seconds(5)
// Between two tries to renew a connection.
const renewalSpacing = Duration.minutes(5)

export const make = Effect.fnUntraced(function*<A, N>(options: Options<A, N>) {
  const capacity = options.topicsPerConnection
  const runFork = yield* FiberSet.makeRuntime()
  const lock = Effect.unsafeMakeSemaphore(1)
  const slots = new Set<Slot<A>>()
  const slotsOf = (path: string, replica: number) => [...slots].filter((slot) => slot.path === path && slot.replica === replica)
  const sessions = () => [...slots].map(({ pooled }) => pooled.session)

  const { attach, attachAll, close, detach, endStalled, open, proof } = yield* Members.make(options, {
    sessions,
    forget: (topic) => {
      for (const slot of slots) {
        if (slot.topics.delete(topic)) afterLinger(closeWhenEmpty(slot))
      }
    }
  })

  const afterLinger = (effect: Effect.Effect<void>) => {
    runFork(Effect.delay(effect, linger))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Slots

  const openFor = (slot: Pick<Slot<A>, "path" | "replica">, slotOf: () => Slot<A> | undefined) =>
    open(
      slot.path,
      (notice) => {
        const slotNow = slotOf()
        if (options.isEnding(notice) && slotNow !== undefined) runFork(renew(slotNow))
      },
      (name) => {
        const slotNow = slotOf()
        const topics = slotNow === undefined ? [] : topicsOf(slotNow, name)
        // What is silent on a fresh connection too is silent on every other.
        if (slotNow === undefined || topics.length === 0 || topics.every(({ moved }) => moved)) return false
        runFork(relocate(slotNow, name))
        return true
      }
    ).pipe(Effect.tap((pooled) =>
      Effect.gen(function*() {
        const age = Duration.times(options.maxAge, 1 - 0.1 * (yield* Random.next))
        // What it starts will close this connection, and must not end with it.
        const renewal = Effect.sync(() => {
          const slot = slotOf()
          if (slot !== undefined) runFork(renew(slot))
        })
        const renewals = Effect.repeat(renewal, Schedule.spaced(renewalSpacing))
        yield* Effect.forkIn(Effect.interruptible(Effect.zipRight(sleep(age), renewals)), pooled.scope)
      })
    ))

  const addSlot = (path: string, replica: number) =>
    Effect.gen(function*() {
      const holder: { slot: Slot<A> | undefined } = { slot: undefined }
      const pooled = yield* openFor({ path, replica }, () => holder.slot)
      const slot: Slot<A> = { path, replica, topics: new Set(), pooled, work: idle }
      holder.slot = slot
      slots.add(slot)
      return slot
    })

  const closeWhenEmpty = (slot: Slot<A>) =>
    Effect.suspend(() => {
      if (slot.topics.size > 0 || !slots.has(slot)) return Effect.void
      slots.delete(slot)
      return close(slot.pooled)
    }).pipe(lock.withPermits(1))

  // The slots whose connections have not been given up. The others are closed, but for those that something takes the
  // place of: that carries their topics on.
  const aliveOf = (path: string, replica: number) =>
    Effect.filter(slotsOf(path, replica), (slot) =>
      Effect.tap(isAlive(slot.pooled), (alive) => {
        if (alive || slot.work._tag !== "Idle") return Effect.void
        slots.delete(slot)
        return close(slot.pooled)
      }))

  // -------------------------------------------------------------------------------------------------------------------
  // Topics come, move and go

  const place = (path: string, replica: number, topic: Topic<A>) =>
    Effect.gen(function*() {
      const slot = Placement.withRoom(yield* aliveOf(path, replica), capacity) ?? (yield* addSlot(path, replica))
      slot.topics.add(topic)
      for (const pooled of connectionsOf(slot)) yield* attach(pooled, topic)
    })

  const relocate = (slot: Slot<A>, name: string) =>
    Effect.gen(function*() {
      const topics = topicsOf(slot, name)
      if (topics.length === 0) return
      const other = yield* addSlot(slot.path, slot.replica)
      for (const topic of topics) {
        topic.moved = true
        slot.topics.delete(topic)
        other.topics.add(topic)
        yield* attach(other.pooled, topic)
        for (const pooled of connectionsOf(slot)) yield* detach(pooled, topic)
      }
      afterLinger(closeWhenEmpty(slot))
    }).pipe(lock.withPermits(1))

  const remove = (topic: Topic<A>) =>
    Effect.gen(function*() {
      for (const slot of slots) {
        if (!slot.topics.delete(topic)) continue
        // Its reader is gone: nothing is left to end.
        topic.ended = undefined
        for (const pooled of connectionsOf(slot)) yield* detach(pooled, topic)
        afterLinger(Effect.suspend(() => slot.topics.size === 0 ? closeWhenEmpty(slot) : consolidate(slot.path, slot.replica)))
      }
    }).pipe(lock.withPermits(1))

  // -------------------------------------------------------------------------------------------------------------------
  // Renewal

  const renew = (slot: Slot<A>): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (slot.work._tag !== "Idle" || !slots.has(slot)) return Effect.succeed(false)
      slot.work = { _tag: "Renewing", successor: undefined }
      return Effect.gen(function*() {
        const successor = yield* openFor(slot, () => slots.has(slot) ? slot : undefined)
        slot.work = { _tag: "Renewing", successor }
        // Whoever leaves meanwhile waits, and then leaves the successor too.
        yield* lock.withPermits(1)(attachAll(successor, slot.topics))
        const proven = yield* Effect.either(proof(successor, slot.topics))
        // The old one may lag behind, with what came before all that the successor brings still on its way.
        yield* Effect.sleep(options.grace)
        return yield* replace(slot, successor, proven._tag === "Right")
      }).pipe(Effect.ensuring(Effect.sync(() => {
        slot.work = idle
      })))
    })

  // Puts the successor in the place of the member, or keeps the member. Says whether it was renewed.
  const replace = (slot: Slot<A>, successor: PooledConnection<A>, isProven: boolean) =>
    Effect.gen(function*() {
      // It may have been given up since it proved itself. Proven or not, it is better than a connection that was given up.
      const renewed = slots.has(slot) && ((isProven && (yield* isAlive(successor))) || !(yield* isAlive(slot.pooled)))
      if (renewed) yield* endStalled(slot.pooled, successor)
      const spare = renewed ? slot.pooled : successor
      if (renewed) slot.pooled = successor
      else yield* Effect.logWarning("A connection could not be renewed, and is kept.")
      // What only the other carried, since it was refused here, has another chance.
      if (slots.has(slot)) yield* attachAll(slot.pooled, slot.topics)
      yield* close(spare)
      return renewed
    }).pipe(lock.withPermits(1))

  // -------------------------------------------------------------------------------------------------------------------
  // Two half-empty connections are one too many

  // The smaller one's topics move to the other, and prove themselves there before they are left.
  const consolidate = (path: string, replica: number) =>
    Effect.gen(function*() {
      const pair = yield* pairUp(path, replica)
      if (pair === undefined) return
      const { from, into } = pair
      yield* Effect.gen(function*() {
        const proven = yield* Effect.either(proof(into.pooled, from.topics))
        yield* Effect.sleep(options.grace)
        yield* merge(from, into, proven._tag === "Right")
        yield* closeWhenEmpty(from)
      }).pipe(Effect.ensuring(Effect.sync(() => {
        from.work = into.work = idle
      })))
    })

  // Under the lock: what is placed meanwhile would be more than there is room for.
  const pairUp = (path: string, replica: number) =>
    Effect.gen(function*() {
      const pair = Placement.toMerge(slotsOf(path, replica), capacity)
      if (pair === undefined) return undefined
      pair.from.work = { _tag: "Emptying" }
      pair.into.work = { _tag: "Filling", expected: pair.from.topics.size }
      yield* attachAll(pair.into.pooled, pair.from.topics)
      return pair
    }).pipe(lock.withPermits(1))

  // Moves the topics, or leaves them where they were.
  const merge = (from: Slot<A>, into: Slot<A>, isProven: boolean) =>
    Effect.gen(function*() {
      const isReady = isProven && slots.has(into) && (yield* isAlive(into.pooled))
      const stays = !isReady && (yield* isAlive(from.pooled))
      if (!stays) yield* endStalled(from.pooled, into.pooled)
      for (const topic of [...from.topics]) {
        if (stays) {
          yield* detach(into.pooled, topic)
          continue
        }
        // What was refused since then has another chance.
        yield* attach(into.pooled, topic)
        from.topics.delete(topic)
        into.topics.add(topic)
        yield* detach(from.pooled, topic)
      }
      // What nobody wanted any more in the meantime.
      for (const topic of [...into.pooled.contributions.keys()]) {
        if (!into.topics.has(topic)) yield* detach(into.pooled, topic)
      }
    }).pipe(lock.withPermits(1))

  // -------------------------------------------------------------------------------------------------------------------

  const listen: Pool<A>["listen"] = (path, name, listener) =>
    Effect.acquireRelease(
      Effect.gen(function*() {
        const topic = makeTopic(name, listener)
        for (let replica = 0; replica < options.redundancy; replica++) yield* place(path, replica, topic)
        return topic
      }).pipe(lock.withPermits(1)),
      remove
    ).pipe(Effect.asVoid)

  const pool: Pool<A> = {
    listen,
    // What was begun comes to its end, whoever waits for it or does not any more.
    rotate: Effect.suspend(() => Effect.forEach([...slots].map((slot) => runFork(renew(slot))), Fiber.join)).pipe(
      Effect.map((renewed) => renewed.filter((done) => done).length)
    ),
    isRedundant: (name) =>
      options.redundancy > 1 || [...slots].some((slot) => slot.work._tag !== "Idle" && topicsOf(slot, name).length > 0),
    sessions
  }
  return pool
})
