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
import type { Listener, Member, Topic } from "./pooledConnection.ts"
import * as Members from "./pooledConnection.ts"
import { sleep } from "../time/sleep.ts"

export interface Options<A, N> extends Members.Options<A, N> {
  readonly topicsPerConnection: number
  /** On how many connections each topic runs at once. */
  readonly lines: number
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

// A place in the pool, which outlives the connections that fill it.
interface Slot<A> {
  readonly path: string
  readonly line: number
  readonly topics: Set<Topic<A>>
  member: Member<A>
  /** What is to take the member's place, while it proves itself. */
  successor: Member<A> | undefined
  renewing: boolean
  /** Room that newcomers may not have: that of the topics which are about to move here, or all, where they move away. */
  spokenFor: number
}

// How long an empty connection is kept, for those who leave one topic to take another.
const linger = Duration.seconds(5)
// Between two tries to renew a connection.
const renewalSpacing = Duration.minutes(5)
// How full one connection may be made by merging two: full ones would be split again by the next topic.
const roomy = 0.75

export const make = Effect.fnUntraced(function*<A, N>(options: Options<A, N>) {
  const runFork = yield* FiberSet.makeRuntime()
  const lock = Effect.unsafeMakeSemaphore(1)
  const slots = new Set<Slot<A>>()
  const sessions = () => [...slots].map(({ member }) => member.session)

  const { attach, attachAll, close, detach, endSilent, open, proof } = yield* Members.make(options, {
    sessions,
    forget: (topic) => {
      for (const slot of slots) {
        if (slot.topics.delete(topic)) runFork(Effect.delay(closeWhenEmpty(slot), linger))
      }
    }
  })

  const openFor = (slot: Pick<Slot<A>, "path" | "line">, slotOf: () => Slot<A> | undefined) =>
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
    ).pipe(Effect.tap((member) =>
      Effect.gen(function*() {
        const age = Duration.times(options.maxAge, 1 - 0.1 * (yield* Random.next))
        // What it starts will close this connection, and must not end with it.
        const renewal = Effect.sync(() => {
          const slot = slotOf()
          if (slot !== undefined) runFork(renew(slot))
        })
        const renewals = Effect.repeat(renewal, Schedule.spaced(renewalSpacing))
        yield* Effect.forkIn(Effect.interruptible(Effect.zipRight(sleep(age), renewals)), member.scope)
      })
    ))

  const renew = (slot: Slot<A>): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (slot.renewing || !slots.has(slot)) return Effect.succeed(false)
      slot.renewing = true
      return Effect.gen(function*() {
        const successor = yield* openFor(slot, () => slots.has(slot) ? slot : undefined)
        slot.successor = successor
        // Whoever leaves meanwhile waits, and then leaves the successor too.
        yield* lock.withPermits(1)(attachAll(successor, slot.topics))
        const proven = yield* Effect.either(proof(successor, slot.topics))
        // The old one may lag behind, with what came before all that the successor brings still on its way.
        yield* Effect.sleep(options.grace)
        return yield* Effect.gen(function*() {
          // Proven or not, it is better than one that was given up meanwhile.
          const renewed = slots.has(slot) && (proven._tag === "Right" || !(yield* isAlive(slot)))
          if (renewed) yield* endSilent(slot.member, successor)
          const spare = renewed ? slot.member : successor
          if (renewed) slot.member = successor
          else yield* Effect.logWarning("A connection could not be renewed, and is kept.")
          // What only the other carried, since it was refused here, has another chance.
          if (slots.has(slot)) yield* attachAll(slot.member, slot.topics)
          yield* close(spare)
          return renewed
        }).pipe(lock.withPermits(1))
      }).pipe(Effect.ensuring(Effect.sync(() => {
        slot.renewing = false
        slot.successor = undefined
      })))
    })

  const topicsOf = (slot: Slot<A>, name: string) => [...slot.topics].filter((known) => known.name === name)

  const relocate = (slot: Slot<A>, name: string) =>
    Effect.gen(function*() {
      // It may be read in several ways.
      const topics = topicsOf(slot, name)
      if (topics.length === 0) return
      const other = yield* addSlot(slot.path, slot.line)
      for (const topic of topics) {
        topic.moved = true
        slot.topics.delete(topic)
        other.topics.add(topic)
        yield* attach(other.member, topic)
        yield* detach(slot.member, topic)
        if (slot.successor !== undefined) yield* detach(slot.successor, topic)
      }
      runFork(Effect.delay(closeWhenEmpty(slot), linger))
    }).pipe(lock.withPermits(1))

  const addSlot = (path: string, line: number) =>
    Effect.gen(function*() {
      const holder: { slot: Slot<A> | undefined } = { slot: undefined }
      const member = yield* openFor({ path, line }, () => holder.slot)
      const slot: Slot<A> = { path, line, topics: new Set(), member, successor: undefined, renewing: false, spokenFor: 0 }
      holder.slot = slot
      slots.add(slot)
      return slot
    })

  // A connection that was given up carries nothing more.
  const isAlive = ({ member }: Slot<A>) =>
    Effect.map(member.session.connection.state, ({ _tag }) => _tag !== "Failed" && _tag !== "Closed")

  const place = (path: string, line: number, topic: Topic<A>) =>
    Effect.gen(function*() {
      let found: Slot<A> | undefined
      for (const slot of [...slots]) {
        if (slot.path !== path || slot.line !== line) continue
        if (!(yield* isAlive(slot))) {
          // What is to take its place carries its topics on.
          if (slot.renewing) continue
          slots.delete(slot)
          yield* close(slot.member)
        } else if (slot.topics.size + slot.spokenFor < options.topicsPerConnection) {
          found ??= slot
        }
      }
      const slot = found ?? (yield* addSlot(path, line))
      slot.topics.add(topic)
      yield* attach(slot.member, topic)
      if (slot.successor !== undefined) yield* attach(slot.successor, topic)
    })

  const closeWhenEmpty = (slot: Slot<A>) =>
    Effect.suspend(() => {
      if (slot.topics.size > 0 || !slots.has(slot)) return Effect.void
      slots.delete(slot)
      return close(slot.member)
    }).pipe(lock.withPermits(1))

  // Under the lock: what is placed meanwhile would be more than there is room for.
  const pairUp = (path: string, line: number) =>
    Effect.gen(function*() {
      const [from, into] = [...slots]
        .filter((slot) => slot.path === path && slot.line === line && !slot.renewing && slot.topics.size > 0)
        .sort((a, b) => a.topics.size - b.topics.size)
      if (from === undefined || into === undefined) return undefined
      if (from.topics.size + into.topics.size > options.topicsPerConnection * roomy) return undefined
      from.renewing = into.renewing = true
      from.spokenFor = options.topicsPerConnection
      into.spokenFor = from.topics.size
      yield* attachAll(into.member, from.topics)
      return { from, into }
    }).pipe(lock.withPermits(1))

  // Two half-empty connections are one too many: the smaller one's topics move to the other, and prove themselves there
  // before they are left.
  const consolidate = (path: string, line: number) =>
    Effect.gen(function*() {
      const pair = yield* pairUp(path, line)
      if (pair === undefined) return
      const { from, into } = pair
      yield* Effect.gen(function*() {
        const proven = yield* Effect.either(proof(into.member, from.topics))
        yield* Effect.sleep(options.grace)
        yield* Effect.gen(function*() {
          const stays = (proven._tag === "Left" || !slots.has(into)) && (yield* isAlive(from))
          if (!stays) yield* endSilent(from.member, into.member)
          for (const topic of [...from.topics]) {
            if (stays) {
              yield* detach(into.member, topic)
              continue
            }
            // What was refused since then has another chance.
            yield* attach(into.member, topic)
            from.topics.delete(topic)
            into.topics.add(topic)
            yield* detach(from.member, topic)
          }
          // What nobody wanted any more in the meantime.
          for (const topic of [...into.member.carries.keys()]) {
            if (!into.topics.has(topic)) yield* detach(into.member, topic)
          }
        }).pipe(lock.withPermits(1))
        yield* closeWhenEmpty(from)
      }).pipe(Effect.ensuring(Effect.sync(() => {
        from.renewing = into.renewing = false
        from.spokenFor = into.spokenFor = 0
      })))
    })

  const remove = (topic: Topic<A>) =>
    Effect.gen(function*() {
      for (const slot of slots) {
        if (!slot.topics.delete(topic)) continue
        yield* detach(slot.member, topic)
        if (slot.successor !== undefined) yield* detach(slot.successor, topic)
        runFork(Effect.delay(
          Effect.suspend(() => slot.topics.size === 0 ? closeWhenEmpty(slot) : consolidate(slot.path, slot.line)),
          linger
        ))
      }
    }).pipe(lock.withPermits(1))

  const listen: Pool<A>["listen"] = (path, name, listener) =>
    Effect.acquireRelease(
      Effect.gen(function*() {
        const topic = Members.makeTopic(name, listener)
        for (let line = 0; line < options.lines; line++) yield* place(path, line, topic)
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
      options.lines > 1 ||
      [...slots].some(({ renewing, topics }) => renewing && [...topics].some((topic) => topic.name === name)),
    sessions
  }
  return pool
})
