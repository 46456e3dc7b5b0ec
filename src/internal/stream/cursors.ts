// Reads one or several buffers as one stream. The reader wakes once per batch, not once per buffer.
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Listenable } from "../../Listenable.ts"
import { closeScope } from "../closeScope.ts"
import * as Wakes from "./wakes.ts"

/** A reader's position in one buffer. */
export interface Cursor<A, E> {
  /** Whether the reader has been woken since it last drained the cursor. */
  isReady: boolean
  /** Takes the items since the last call. */
  drain(): ReadonlyArray<A>
  /** The exit of the buffer, if it has ended. Items from before the end can still be drained. */
  ended(): Exit.Exit<void, E> | undefined
  close(): void
}

/** Wakes a reader when one of its cursors may have new items. */
export interface Waker<A, E> {
  wake(cursor: Cursor<A, E>): void
}

/** Gets each batch as it arrives, and so needs no cursor. Its functions must not throw. */
export interface Listener<A, E> {
  readonly data: (batch: ReadonlyArray<A>) => void
  readonly end: (exit: Exit.Exit<void, E>, buffer: Readable<A, E>) => void
}

/** A buffer that can be read. */
export interface Readable<A, E> {
  open(waker: Waker<A, E>): Cursor<A, E>
  /** Calls the listener with the items held, then with each batch. Returns a function that stops the calls. */
  listen(listener: Listener<A, E>): () => void
}

/** Makes the item that tells of the failure of one buffer, by its index, while others go on. */
export type Told<A, E> = (index: number, error: E) => A

// The item that tells of an end. Undefined: the end has to end the reader.
const toldOf = <A, E>(told: Told<A, E> | undefined, exit: Exit.Exit<void, E>, indexOf: () => number): A | undefined => {
  if (told === undefined || Exit.isSuccess(exit)) return undefined
  const error = Cause.failureOption(exit.cause)
  return Option.isNone(error) ? undefined : told(indexOf(), error.value)
}

/** The cursors of one reader. */
class Positions<A, E> implements Waker<A, E>, Wakes.Sleeper {
  readonly #cursors: ReadonlyArray<Cursor<A, E>>
  readonly #told: Told<A, E> | undefined
  #ready: Array<Cursor<A, E>> = []
  #running: number
  #ended: Exit.Exit<void, E> | undefined
  #waiting: ((arrived: Effect.Effect<void>) => void) | undefined = undefined

  constructor(readables: ReadonlyArray<Readable<A, E>>, told?: Told<A, E>) {
    this.#told = told
    this.#running = readables.length
    this.#ended = readables.length === 0 ? Exit.void : undefined
    this.#cursors = readables.map((readable) => readable.open(this))
    for (const cursor of this.#cursors) this.#addReady(cursor)
  }

  wake(cursor: Cursor<A, E>): void {
    this.#addReady(cursor)
    if (this.#waiting !== undefined) Wakes.wake(this)
  }

  resume(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(Effect.void)
  }

  #addReady(cursor: Cursor<A, E>): void {
    if (cursor.isReady) return
    cursor.isReady = true
    this.#ready.push(cursor)
  }

  /** Takes the items of all cursors since the last call. */
  take(): ReadonlyArray<A> {
    const visited = this.#ready
    this.#ready = []
    let all: ReadonlyArray<A> | undefined
    let joined: Array<A> | undefined
    for (const cursor of visited) {
      cursor.isReady = false
      const drained = cursor.drain()
      const end = cursor.ended()
      const batch = end === undefined || drained.length > 0 ? drained : this.#end(cursor, end)
      if (batch.length > 0) {
        // Mostly there is only one batch, which needs no copy.
        if (all === undefined) {
          all = batch
        } else {
          joined ??= [...all]
          all = joined
          for (const item of batch) joined.push(item)
        }
      }
      if (end !== undefined && drained.length > 0) this.#addReady(cursor)
    }
    return all ?? []
  }

  // Returns the item that tells of the end of a cursor, if there is one.
  #end(cursor: Cursor<A, E>, exit: Exit.Exit<void, E>): ReadonlyArray<A> {
    const told = --this.#running === 0 ? undefined : toldOf(this.#told, exit, () => this.#cursors.indexOf(cursor))
    if (told !== undefined) return [told]
    if (Exit.isFailure(exit) || this.#running === 0) this.#ended ??= exit
    return []
  }

  /** The exit of the buffers, once they have ended and all items have been taken. */
  ended(): Exit.Exit<void, E> | undefined {
    return this.#ended
  }

  // Waits until a cursor is ready, if none is yet. It needs no finalizer, since resuming an interrupted fibre does no harm.
  readonly arrived: Effect.Effect<void> = Effect.async<void>((waiting) => {
    if (this.#ready.length > 0) waiting(Effect.void)
    else this.#waiting = waiting
  })

  close(): void {
    for (const cursor of this.#cursors) cursor.close()
  }
}

const read = <A, E, B>(
  positions: Positions<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Channel.Channel<Chunk.Chunk<B>, unknown, E> => {
  // Undefined at the end.
  const next: Effect.Effect<ReadonlyArray<A> | undefined, E> = Effect.suspend(() => {
    const batch = positions.take()
    if (batch.length > 0) return Effect.succeed(batch)
    const end = positions.ended()
    return end === undefined ? Effect.zipRight(positions.arrived, next) : Effect.as(end, undefined)
  })
  const rest: Channel.Channel<Chunk.Chunk<B>, unknown, E> = Channel.flatMap(Channel.fromEffect(next), (batch) =>
    batch === undefined
      ? Channel.void
      : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(select(batch))), () => rest))
  return rest
}

const listenTo = <A, E, B>(
  readables: ReadonlyArray<Readable<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  onBatch: (batch: ReadonlyArray<B>) => void,
  told?: Told<A, E>
): Effect.Effect<void, E> =>
  // Uninterruptible: the first batch may interrupt this fibre, which must still stop listening.
  Effect.uninterruptibleMask((restore) => {
    let running = readables.length
    let outcome: Effect.Effect<void, E> | undefined = running === 0 ? Effect.void : undefined
    let resume: ((outcome: Effect.Effect<void, E>) => void) | undefined
    const leaving: Array<() => void> = []
    const close = () => {
      outcome ??= Effect.void
      for (const leave of leaving.splice(0)) leave()
    }
    const finish = (exit: Effect.Effect<void, E>) => {
      outcome = exit
      close()
      resume?.(exit)
    }
    // One listener serves all buffers, since there may be thousands.
    const listener: Listener<A, E> = {
      data: (batch) => {
        if (outcome !== undefined) return
        try {
          const selected = select(batch)
          if (selected.length > 0) onBatch(selected)
        } catch (defect) {
          finish(Effect.die(defect))
        }
      },
      end: (exit, buffer) => {
        if (outcome !== undefined) return
        const last = --running === 0 ? undefined : toldOf(told, exit, () => readables.indexOf(buffer))
        if (last !== undefined) listener.data([last])
        else if (Exit.isFailure(exit) || running === 0) finish(exit)
      }
    }
    const stillListens = readables.every((readable) => {
      leaving.push(readable.listen(listener))
      return outcome === undefined
    })
    if (!stillListens) close()
    const ended = Effect.async<void, E>((waiting) => {
      if (outcome === undefined) resume = waiting
      else waiting(outcome)
    })
    return Effect.onInterrupt(restore(ended), () => Effect.sync(close))
  })

// Runs `f` in the reading fibre. New items wait in the buffers meanwhile.
const runForEach = <A, E, B, E2, R>(
  positions: Positions<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  f: (item: B) => Effect.Effect<unknown, E2, R>
): Effect.Effect<void, E | E2, R> => {
  const next: Effect.Effect<void, E | E2, R> = Effect.suspend(() => {
    const batch = positions.take()
    if (batch.length > 0) {
      return Effect.zipRight(Effect.forEach(select(batch), (item) => f(item), { discard: true }), next)
    }
    return positions.ended() ?? Effect.zipRight(positions.arrived, next)
  })
  return next
}

/** A reader with its cursors, and the effect that closes it. */
interface OpenReader<A, E> {
  readonly positions: Positions<A, E>
  readonly leave: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

// Allocates nothing until it is read, because most streams never are.
const listenable = <A, E, B>(
  open: () => Effect.Effect<OpenReader<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  listen: Listenable<B, E>["listen"]
): Listenable<B, E> => {
  const channel = Channel.suspend(() =>
    Channel.acquireUseRelease(open(), ({ positions }) => read(positions, select), ({ leave }, exit) => leave(exit)))
  const forEach: Listenable<B, E>["forEach"] = (f) =>
    Effect.suspend(() => Effect.acquireUseRelease(open(), ({ positions }) => runForEach(positions, select, f), ({ leave }, exit) => leave(exit)))
  return Object.assign(Stream.fromChannel(channel), { listen, forEach })
}

/** A stream of all items of these buffers. See `merge`. */
export const of = <A, E, B>(
  readables: () => ReadonlyArray<Readable<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Listenable<B, E> =>
  listenable(
    () => Effect.sync(() => {
      const positions = new Positions(readables())
      return {
        positions,
        leave: () => Effect.sync(() => {
          positions.close()
        })
      }
    }),
    select,
    (onBatch) => Effect.suspend(() => listenTo(readables(), select, onBatch))
  )

/**
 * A stream of all items of several buffers, in the order of each buffer. The buffers are opened for each reader and closed
 * when it leaves. A reader wakes once per batch. The stream ends with the last buffer. It fails with the first that fails, unless
 * the failure is `told` while others go on; then it fails with the last. A defect is never told.
 */
export const merge = <A, E, B>(
  readables: Effect.Effect<ReadonlyArray<Readable<A, E>>, never, Scope.Scope>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  told?: Told<A, E>
): Listenable<B, E> =>
  listenable(
    // A scope of its own, because with `Stream.unwrapScoped` each batch would pass one more channel executor.
    () => Effect.flatMap(Scope.make(), (scope) =>
      readables.pipe(
        Effect.interruptible,
        Effect.map((opened) => {
          const positions = new Positions(opened, told)
          return {
            positions,
            leave: (exit: Exit.Exit<unknown, unknown>) => Effect.zipRight(Effect.sync(() => {
              positions.close()
            }), closeScope(scope, exit))
          }
        }),
        Scope.extend(scope),
        Effect.onError((cause) => closeScope(scope, Exit.failCause(cause)))
      )),
    select,
    (onBatch) => Effect.scoped(Effect.flatMap(readables, (opened) => listenTo(opened, select, onBatch, told)))
  )
