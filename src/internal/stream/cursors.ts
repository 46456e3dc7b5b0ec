// Reading what is put in elsewhere, in however many places: a reader is woken once for what came at once, and not once for
// each place.
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Listenable } from "../../Listenable.ts"

/** A reader's place. */
export interface Cursor<A, E> {
  /** Whether its reader has been woken for it since it drained it. */
  isReady: boolean
  /** What came since the last time. */
  drain(): ReadonlyArray<A>
  /** How the broadcast has ended, if it has: what came before that is still drained. */
  ended(): Exit.Exit<void, E> | undefined
  close(): void
}

/** Who waits at places: it is woken when there may be something new at one. */
export interface Waker<A, E> {
  wake(cursor: Cursor<A, E>): void
}

/** Who takes everything at once, and so needs no place. Neither may throw. */
export interface Listener<A, E> {
  readonly data: (batch: ReadonlyArray<A>) => void
  readonly end: (exit: Exit.Exit<void, E>) => void
}

/** Where places can be taken. */
export interface Readable<A, E> {
  open(waker: Waker<A, E>): Cursor<A, E>
  /** Begins with what is held. Gives back what ends it. */
  listen(listener: Listener<A, E>): () => void
}

/** The places of one reader. */
class Positions<A, E> implements Waker<A, E> {
  readonly #cursors: ReadonlyArray<Cursor<A, E>>
  #ready: Array<Cursor<A, E>> = []
  #running: number
  #ended: Exit.Exit<void, E> | undefined
  #resume: ((arrived: Effect.Effect<void>) => void) | undefined = undefined

  constructor(readables: ReadonlyArray<Readable<A, E>>) {
    this.#running = readables.length
    this.#ended = readables.length === 0 ? Exit.void : undefined
    this.#cursors = readables.map((readable) => readable.open(this))
    for (const cursor of this.#cursors) this.#show(cursor)
  }

  wake(cursor: Cursor<A, E>): void {
    this.#show(cursor)
    const waiting = this.#resume
    this.#resume = undefined
    waiting?.(Effect.void)
  }

  #show(cursor: Cursor<A, E>): void {
    if (cursor.isReady) return
    cursor.isReady = true
    this.#ready.push(cursor)
  }

  /** What came since the last time, from all of them. */
  take(): ReadonlyArray<A> {
    const visited = this.#ready
    this.#ready = []
    let all: ReadonlyArray<A> | undefined
    let joined: Array<A> | undefined
    for (const cursor of visited) {
      cursor.isReady = false
      const batch = cursor.drain()
      if (batch.length > 0) {
        // Mostly there is but one: it is taken as it is.
        if (all === undefined) {
          all = batch
        } else {
          joined ??= [...all]
          all = joined
          for (const item of batch) joined.push(item)
        }
      }
      const end = cursor.ended()
      if (end === undefined) continue
      if (batch.length > 0) this.#show(cursor)
      else if (Exit.isFailure(end) || --this.#running === 0) this.#ended ??= end
    }
    return all ?? []
  }

  /** How it ended, when everything before has been taken. */
  ended(): Exit.Exit<void, E> | undefined {
    return this.#ended
  }

  // There is nothing to clean up: what wakes nobody does no harm. Something may have come since it was looked.
  readonly arrived: Effect.Effect<void> = Effect.async<void>((waiting) => {
    if (this.#ready.length > 0) waiting(Effect.void)
    else this.#resume = waiting
  })

  close(): void {
    for (const cursor of this.#cursors) cursor.close()
  }
}

const read = <A, E, B>(
  positions: Positions<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Channel.Channel<Chunk.Chunk<B>, unknown, E> => {
  // Nothing when it has ended.
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
  onBatch: (batch: ReadonlyArray<B>) => void
): Effect.Effect<void, E> =>
  // What it begins with may interrupt this fibre, which must leave all the same.
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
    // The same for all: there may be thousands.
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
      end: (exit) => {
        if (outcome === undefined && (Exit.isFailure(exit) || --running === 0)) finish(exit)
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

// In the fibre that reads: what comes meanwhile waits in the buffers of its sources.
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

/** A reader that has taken its places. */
interface OpenReader<A, E> {
  readonly positions: Positions<A, E>
  readonly leave: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

// Nothing is made before it is read: there are many streams of which few are.
const listenable = <A, E, B>(
  visit: () => Effect.Effect<OpenReader<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  listen: Listenable<B, E>["listen"]
): Listenable<B, E> => {
  const channel = Channel.suspend(() =>
    Channel.acquireUseRelease(visit(), ({ positions }) => read(positions, select), ({ leave }, exit) => leave(exit)))
  const forEach: Listenable<B, E>["forEach"] = (f) =>
    Effect.suspend(() => Effect.acquireUseRelease(visit(), ({ positions }) => runForEach(positions, select, f), ({ leave }, exit) => leave(exit)))
  return Object.assign(Stream.fromChannel(channel), { listen, forEach })
}

/** All that these sources hold: see `merge`. */
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
 * All that several sources hold, each in its own order, as long as they are wanted: whoever reads it is woken once for
 * what came at once, and not once for each. It fails with the first of them to fail, and ends with the last.
 */
export const merge = <A, E, B>(
  readables: Effect.Effect<ReadonlyArray<Readable<A, E>>, never, Scope.Scope>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Listenable<B, E> =>
  listenable(
    // Here, and not with `Stream.unwrapScoped`: each batch would pass one more executor.
    () => Effect.flatMap(Scope.make(), (scope) =>
      readables.pipe(
        Effect.interruptible,
        Effect.map((opened) => {
          const positions = new Positions(opened)
          return {
            positions,
            leave: (exit: Exit.Exit<unknown, unknown>) => Effect.zipRight(Effect.sync(() => {
              positions.close()
            }), Scope.close(scope, exit))
          }
        }),
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )),
    select,
    (onBatch) => Effect.scoped(Effect.flatMap(readables, (opened) => listenTo(opened, select, onBatch)))
  )
