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
export interface Taker<A, E> {
  readonly take: (batch: ReadonlyArray<A>) => void
  readonly end: (exit: Exit.Exit<void, E>) => void
}

/** Where places can be taken. */
export interface Source<A, E> {
  open(waker: Waker<A, E>): Cursor<A, E>
  /** Begins with what is held. Gives back what ends it. */
  handOver(taker: Taker<A, E>): () => void
}

/** The places of one reader. */
class Places<A, E> implements Waker<A, E> {
  readonly #cursors: ReadonlyArray<Cursor<A, E>>
  #ready: Array<Cursor<A, E>> = []
  #running: number
  #ended: Exit.Exit<void, E> | undefined
  #resume: ((arrived: Effect.Effect<void>) => void) | undefined = undefined

  constructor(sources: ReadonlyArray<Source<A, E>>) {
    this.#running = sources.length
    this.#ended = sources.length === 0 ? Exit.void : undefined
    this.#cursors = sources.map((source) => source.open(this))
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
  places: Places<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Channel.Channel<Chunk.Chunk<B>, unknown, E> => {
  // Nothing when it has ended.
  const next: Effect.Effect<ReadonlyArray<A> | undefined, E> = Effect.suspend(() => {
    const batch = places.take()
    if (batch.length > 0) return Effect.succeed(batch)
    const end = places.ended()
    return end === undefined ? Effect.zipRight(places.arrived, next) : Effect.as(end, undefined)
  })
  const rest: Channel.Channel<Chunk.Chunk<B>, unknown, E> = Channel.flatMap(Channel.fromEffect(next), (batch) =>
    batch === undefined
      ? Channel.void
      : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(select(batch))), () => rest))
  return rest
}

const listenTo = <A, E, B>(
  sources: ReadonlyArray<Source<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  hear: (batch: ReadonlyArray<B>) => void
): Effect.Effect<void, E> =>
  // What it begins with may interrupt this fibre, which must leave all the same.
  Effect.uninterruptibleMask((restore) => {
    let running = sources.length
    let how: Effect.Effect<void, E> | undefined = running === 0 ? Effect.void : undefined
    let resume: ((how: Effect.Effect<void, E>) => void) | undefined
    const leaving: Array<() => void> = []
    const close = () => {
      how ??= Effect.void
      for (const leave of leaving.splice(0)) leave()
    }
    const settle = (exit: Effect.Effect<void, E>) => {
      how = exit
      close()
      resume?.(exit)
    }
    // The same for all: there may be thousands.
    const taker: Taker<A, E> = {
      take: (batch) => {
        if (how !== undefined) return
        try {
          const selected = select(batch)
          if (selected.length > 0) hear(selected)
        } catch (defect) {
          settle(Effect.die(defect))
        }
      },
      end: (exit) => {
        if (how === undefined && (Exit.isFailure(exit) || --running === 0)) settle(exit)
      }
    }
    const stillListens = sources.every((source) => {
      leaving.push(source.handOver(taker))
      return how === undefined
    })
    if (!stillListens) close()
    const ended = Effect.async<void, E>((waiting) => {
      if (how === undefined) resume = waiting
      else waiting(how)
    })
    return Effect.onInterrupt(restore(ended), () => Effect.sync(close))
  })

// In the fibre that reads: what comes meanwhile waits in the buffers of its sources.
const runForEach = <A, E, B, E2, R>(
  places: Places<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  f: (item: B) => Effect.Effect<unknown, E2, R>
): Effect.Effect<void, E | E2, R> => {
  const next: Effect.Effect<void, E | E2, R> = Effect.suspend(() => {
    const batch = places.take()
    if (batch.length > 0) {
      return Effect.zipRight(Effect.forEach(select(batch), (item) => f(item), { discard: true }), next)
    }
    return places.ended() ?? Effect.zipRight(places.arrived, next)
  })
  return next
}

/** A reader that has taken its places. */
interface Visit<A, E> {
  readonly places: Places<A, E>
  readonly leave: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

// Nothing is made before it is read: there are many streams of which few are.
const listenable = <A, E, B>(
  visit: () => Effect.Effect<Visit<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>,
  listen: Listenable<B, E>["listen"]
): Listenable<B, E> => {
  const channel = Channel.suspend(() =>
    Channel.acquireUseRelease(visit(), ({ places }) => read(places, select), ({ leave }, exit) => leave(exit)))
  const forEach: Listenable<B, E>["forEach"] = (f) =>
    Effect.suspend(() => Effect.acquireUseRelease(visit(), ({ places }) => runForEach(places, select, f), ({ leave }, exit) => leave(exit)))
  return Object.assign(Stream.fromChannel(channel), { listen, forEach })
}

/** All that these sources hold: see `merge`. */
export const of = <A, E, B>(
  sources: () => ReadonlyArray<Source<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Listenable<B, E> =>
  listenable(
    () => Effect.sync(() => {
      const places = new Places(sources())
      return {
        places,
        leave: () => Effect.sync(() => {
          places.close()
        })
      }
    }),
    select,
    (hear) => Effect.suspend(() => listenTo(sources(), select, hear))
  )

/**
 * All that several sources hold, each in its own order, as long as they are wanted: whoever reads it is woken once for
 * what came at once, and not once for each. It fails with the first of them to fail, and ends with the last.
 */
export const merge = <A, E, B>(
  sources: Effect.Effect<ReadonlyArray<Source<A, E>>, never, Scope.Scope>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Listenable<B, E> =>
  listenable(
    // Here, and not with `Stream.unwrapScoped`: each batch would pass one more executor.
    () => Effect.flatMap(Scope.make(), (scope) =>
      sources.pipe(
        Effect.interruptible,
        Effect.map((opened) => {
          const places = new Places(opened)
          return {
            places,
            leave: (exit: Exit.Exit<unknown, unknown>) => Effect.zipRight(Effect.sync(() => {
              places.close()
            }), Scope.close(scope, exit))
          }
        }),
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )),
    select,
    (hear) => Effect.scoped(Effect.flatMap(sources, (opened) => listenTo(opened, select, hear)))
  )
