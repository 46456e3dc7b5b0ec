// Spreads topics over connections. It places a topic where there is room, once per replica; merges half-empty slots; and
// renews each connection before the venue would close it.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
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
import * as PooledConnections from "./pooledConnection.ts"
import type { Slot } from "./slot.ts"
import { idle, isAlive, isOpen, connectionsOf, topicsOf } from "./slot.ts"

export interface Options<A, N> extends PooledConnections.Options<A, N> {
  readonly topicsPerConnection: number
  /** The number of connections on which each topic runs at once. */
  readonly redundancy: number
  /** The age at which a connection is renewed. Each connection draws its own age, up to a tenth shorter. */
  readonly maxAge: Duration.Duration
  /** Whether a notice announces the end of the connection. */
  readonly isEnding: (notice: N) => boolean
}

export interface Pool<A> {
  /**
   * Subscribes to a topic on every replica, until the scope closes. The listener gets the same data once from each
   * replica.
   */
  readonly listen: (path: string, topic: string, listener: Listener<A>) => Effect.Effect<void, never, Scope.Scope>
  /** Renews all connections. Returns the number of connections that were renewed. */
  readonly rotate: Effect.Effect<number>
  /** Whether the data of a topic may come over more than one connection now. */
  readonly isRedundant: (topic: string) => boolean
  /** Subscribes to a topic again on every connection that has it. */
  readonly requestAgain: (topic: string) => void
  readonly sessions: () => ReadonlyArray<Session.Session<A>>
  /** Its connections, those of successors included. `rotate` renews one, and returns whether it did. */
  readonly connections: () => ReadonlyArray<{
    readonly name: string
    readonly session: Session.Session<A>
    readonly rotate: Effect.Effect<boolean>
  }>
}

// A connection without topics stays open for this long, since a reader that leaves one topic may soon want another.
const linger = Duration.seconds(5)
// The time between two attempts to renew a connection.
const renewalSpacing = Duration.minutes(5)

export const make = Effect.fnUntraced(function*<A, N>(options: Options<A, N>) {
  const capacity = options.topicsPerConnection
  const runFork = yield* FiberSet.makeRuntime()
  const lock = Effect.unsafeMakeSemaphore(1)
  const slots = new Set<Slot<A>>()
  const slotsOf = (path: string, replica: number) => [...slots].filter((slot) => slot.path === path && slot.replica === replica)
  const sessions = () => [...slots].map(({ pooled }) => pooled.session)

  const { attach, attachAll, close, detach, drain, endStalled, open, proof } = yield* PooledConnections.make(options, {
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
        // A topic that was moved, and is stale on its new connection too, would be stale on any other.
        if (slotNow === undefined || topics.length === 0 || topics.every(({ moved }) => moved)) return false
        runFork(relocate(slotNow, name))
        return true
      }
    ).pipe(Effect.tap((pooled) =>
      Effect.gen(function*() {
        const age = Duration.times(options.maxAge, 1 - 0.1 * (yield* Random.next))
        // Not in the connection's scope: the renewal closes that scope, which must not interrupt the renewal.
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

  // Finds the slots whose connections are alive. It closes the idle ones of the others. The rest are being renewed or merged,
  // so their topics move to a connection that is alive.
  const aliveOf = (path: string, replica: number) =>
    Effect.filter(slotsOf(path, replica), (slot) =>
      Effect.tap(isAlive(slot.pooled), (alive) => {
        if (alive || slot.work._tag !== "Idle") return Effect.void
        slots.delete(slot)
        return close(slot.pooled)
      }))

  // -------------------------------------------------------------------------------------------------------------------
  // Placing, moving and removing topics

  const assign = (path: string, replica: number, topic: Topic<A>) =>
    Effect.gen(function*() {
      const slot = Placement.withRoom(yield* aliveOf(path, replica), capacity) ?? (yield* addSlot(path, replica))
      slot.topics.add(topic)
      for (const pooled of connectionsOf(slot)) yield* attach(pooled, topic)
    })

  const relocate = (slot: Slot<A>, name: string) =>
    Effect.gen(function*() {
      const topics = topicsOf(slot, name)
      if (topics.length === 0) return
      // All stale topics share connections: one connection for each would spend the dials of the venue.
      const others = (yield* aliveOf(slot.path, slot.replica)).filter((other) => other !== slot && other.work._tag === "Idle")
      const other = Placement.withRoom(others, capacity) ?? (yield* addSlot(slot.path, slot.replica))
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
        // Its reader has left, so nothing is left to end.
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
        // Under the lock, so that a topic that is removed meanwhile does not stay on the successor.
        yield* lock.withPermits(1)(attachAll(successor, slot.topics))
        const proven = yield* Effect.either(proof(successor, slot.topics))
        // The predecessor may lag behind: data from before the successor's first may still be on its way.
        yield* Effect.sleep(options.grace)
        if (Either.isRight(proven)) yield* catchUp(slot.pooled, successor)
        return yield* replace(slot, successor, Either.isRight(proven))
      }).pipe(Effect.ensuring(Effect.sync(() => {
        slot.work = idle
      })))
    })

  // Waits until a connection has brought everything that the peer sent before the successor takes over.
  const catchUp = (pooled: PooledConnection<A>, successor: PooledConnection<A>) =>
    Effect.zipRight(endStalled(pooled, successor), drain(pooled))

  // Gives the slot to the successor, or keeps its connection. Closes the other one. Returns whether the slot was renewed.
  const replace = (slot: Slot<A>, successor: PooledConnection<A>, isProven: boolean) =>
    Effect.gen(function*() {
      // The successor may have been lost since its proof. Even one that is not proven is better than a connection that is dead.
      const isBetter = isProven && (yield* isAlive(successor)) && ((yield* isOpen(successor)) || !(yield* isOpen(slot.pooled)))
      const renewed = slots.has(slot) && (isBetter || !(yield* isAlive(slot.pooled)))
      if (renewed) yield* endStalled(slot.pooled, successor)
      const spare = renewed ? slot.pooled : successor
      if (renewed) slot.pooled = successor
      else yield* Effect.logWarning("The successor of a connection did not prove itself. The old connection stays in use.")
      // Attaches again the topics that ended here because the peer refused them, while the other connection had them.
      if (slots.has(slot)) yield* attachAll(slot.pooled, slot.topics)
      yield* close(spare)
      return renewed
    }).pipe(lock.withPermits(1))

  // -------------------------------------------------------------------------------------------------------------------
  // Merging half-empty slots

  // Moves the topics of the emptier slot to the other, once they have proven themselves there.
  const consolidate = (path: string, replica: number) =>
    Effect.gen(function*() {
      const pair = yield* pairUp(path, replica)
      if (pair === undefined) return
      const { from, into } = pair
      yield* Effect.gen(function*() {
        const proven = yield* Effect.either(proof(into.pooled, from.topics))
        yield* Effect.sleep(options.grace)
        if (Either.isRight(proven)) yield* catchUp(from.pooled, into.pooled)
        yield* merge(from, into, Either.isRight(proven))
        yield* closeWhenEmpty(from)
      }).pipe(Effect.ensuring(Effect.sync(() => {
        from.work = into.work = idle
      })))
    })

  // Under the lock: a topic placed meanwhile could take the room of the topics that move.
  const pairUp = (path: string, replica: number) =>
    Effect.gen(function*() {
      const pair = Placement.toMerge(slotsOf(path, replica), capacity)
      if (pair === undefined) return undefined
      pair.from.work = { _tag: "Emptying" }
      pair.into.work = { _tag: "Filling", expected: pair.from.topics.size }
      yield* attachAll(pair.into.pooled, pair.from.topics)
      return pair
    }).pipe(lock.withPermits(1))

  // Completes the move of the topics, or undoes it.
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
        // Attaches the topic again if the peer refused it meanwhile.
        yield* attach(into.pooled, topic)
        from.topics.delete(topic)
        into.topics.add(topic)
        yield* detach(from.pooled, topic)
      }
      // Detaches topics that were removed meanwhile.
      for (const topic of [...into.pooled.contributions.keys()]) {
        if (!into.topics.has(topic)) yield* detach(into.pooled, topic)
      }
    }).pipe(lock.withPermits(1))

  // -------------------------------------------------------------------------------------------------------------------

  const listen: Pool<A>["listen"] = (path, name, listener) =>
    Effect.acquireRelease(
      Effect.gen(function*() {
        const topic = makeTopic(name, listener)
        for (let replica = 0; replica < options.redundancy; replica++) yield* assign(path, replica, topic)
        return topic
      }).pipe(lock.withPermits(1)),
      remove
    ).pipe(Effect.asVoid)

  const pool: Pool<A> = {
    listen,
    // In fibres of the pool: the renewals go on when the caller is interrupted.
    rotate: Effect.suspend(() => Effect.forEach([...slots].map((slot) => runFork(renew(slot))), Fiber.join)).pipe(
      Effect.map((renewed) => renewed.filter((done) => done).length)
    ),
    isRedundant: (name) =>
      options.redundancy > 1 || [...slots].some((slot) => slot.work._tag !== "Idle" && topicsOf(slot, name).length > 0),
    requestAgain: (name) => {
      for (const slot of slots) {
        if (topicsOf(slot, name).length > 0) for (const { session } of connectionsOf(slot)) session.requestAgain(name)
      }
    },
    sessions,
    connections: () =>
      [...slots].flatMap((slot) =>
        connectionsOf(slot).map(({ name, session }) => ({
          name,
          session,
          rotate: Effect.suspend(() => Fiber.join(runFork(renew(slot))))
        }))
      )
  }
  return pool
})
