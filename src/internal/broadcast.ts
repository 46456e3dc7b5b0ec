// A bounded buffer that many readers read, each at its own pace, and that never loses an item unseen.
//
// It holds what some reader has not read yet; with no reader at all, everything, so that the first one misses nothing.
// A new reader starts at the oldest item still held. What does not fit is handled by the overflow policy, and what is
// lost by it is folded into a marker item that takes the place of the lost ones.
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"

export type Overflow = "suspend" | "sliding" | "dropping" | "fail"

export interface Options<A> {
  /** Items held at most, markers included. At least 2: an item and the marker before it. */
  readonly capacity: number
  readonly overflow: Overflow
  /** Folds lost items (one at least) into the marker that stands for the ones lost before them. */
  readonly fold: (marker: A | undefined, lost: ReadonlyArray<A>) => A
  /** Called for every marker when a reader is about to see it. */
  readonly onMarker?: ((marker: A) => void) | undefined
  /** Called with the number of items lost, when they are. */
  readonly onLost?: ((count: number) => void) | undefined
}

export interface Broadcast<A, E = never> {
  /** Puts items in, in order. Gives back how many found no room: only with `fail`, or when it has ended. */
  readonly offerAll: (items: ReadonlyArray<A>) => Effect.Effect<number>
  /** The same for policies that never wait: `sliding` and `dropping`. */
  readonly unsafeOfferAll: (items: ReadonlyArray<A>) => number
  /** Whether so many items have room now. */
  readonly fits: (count: number) => boolean
  /** Puts a marker before the next item, or where the reader stands when it has read everything. */
  readonly mark: (marker: A) => void
  /** Lets readers finish what is held, and then ends or fails them. */
  readonly end: (exit: Exit.Exit<void, E>) => void
  /** How many items have been lost so far, to all readers together. */
  readonly lost: () => number
  /** Takes a place at the oldest item held. */
  readonly open: Open<A, E>
  readonly stream: Stream.Stream<A, E>
  /**
   * Hands every batch to `take` at once, when it is put in, beginning with what is held. It never falls behind, so that
   * nothing is held for it. One at a time; `take` must not throw. Completes as a stream ends.
   */
  readonly handOver: (take: (batch: ReadonlyArray<A>) => void) => Effect.Effect<void, E>
  /** The same as `stream`, each batch as `select` gives it. */
  readonly streamOf: <B>(select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>) => Stream.Stream<B, E>
  /** Only what comes from now on, after the item that `current` gives. */
  readonly streamFrom: (current: () => A) => Stream.Stream<A, E>
}

interface Taker<A, E> {
  readonly take: (batch: ReadonlyArray<A>) => void
  readonly end: (exit: Exit.Exit<void, E>) => void
}

interface Reader<A> {
  /** The sequence number of the item to read next. */
  next: number
  /** What is read before it: the marker of what slid away, or the item to begin with. */
  before: A | undefined
  /** Called when there may be something new for it. */
  readonly wake: () => void
}

/** A reader's place. */
export interface Cursor<A, E> {
  /** What came since the last time. */
  readonly drain: () => ReadonlyArray<A>
  /** How the broadcast has ended, if it has: what came before that is still drained. */
  readonly ended: () => Exit.Exit<void, E> | undefined
  readonly close: () => void
}

/** Takes a place. `wake` is called when there may be something new. */
export type Open<A, E> = (wake: () => void) => Cursor<A, E>

export const make = <A, E = never>(options: Options<A>): Broadcast<A, E> => {
  const { capacity, fold, overflow } = options
  const readers = new Set<Reader<A>>()
  let taker: Taker<A, E> | undefined
  let items: Array<A> = []
  // The sequence number of items[0].
  let base = 0
  // What waits to be marked before the next item.
  let pending: A | undefined
  // What slid away while there was no reader to miss it: the next one begins with it.
  let unread: A | undefined
  let ended: Exit.Exit<void, E> | undefined
  let wakeWriter: (() => void) | undefined
  let lostSoFar = 0

  const countLost = (lost: number) => {
    lostSoFar += lost
    options.onLost?.(lost)
  }

  const oldestNeeded = (): number => {
    let oldest = Number.POSITIVE_INFINITY
    for (const reader of readers) oldest = Math.min(oldest, reader.next)
    return oldest
  }

  const wakeReaders = () => {
    for (const reader of readers) reader.wake()
  }

  const forget = (until: number) => {
    const count = until - base
    if (count <= 0) return
    if (count >= items.length) items = []
    else items.splice(0, count)
    base = until
    wakeWriter?.()
  }

  const slide = (excess: number) => {
    countLost(excess)
    if (readers.size === 0) unread = fold(unread, items.slice(0, excess))
    for (const reader of readers) {
      const read = reader.next - base
      if (read >= excess) continue
      reader.before = fold(reader.before, items.slice(read, excess))
      reader.next = base + excess
    }
    forget(base + excess)
  }

  // A taker has seen everything that is held.
  const isRead = () => taker !== undefined && readers.size === 0

  const push = (batch: ReadonlyArray<A>) => {
    taker?.take(batch)
    if (isRead()) {
      base += batch.length
      return
    }
    if (items.length === 0) items = [...batch]
    else for (const item of batch) items.push(item)
    if (overflow === "sliding" && items.length > capacity) slide(items.length - capacity)
  }

  const flushMarker = () => {
    if (pending === undefined) return
    const marker = pending
    pending = undefined
    options.onMarker?.(marker)
    push([marker])
  }

  const room = (): number =>
    overflow === "sliding" || isRead() ? Number.POSITIVE_INFINITY : capacity - items.length - (pending === undefined ? 0 : 1)

  const lose = (lost: ReadonlyArray<A>) => {
    pending = fold(pending, lost)
    countLost(lost.length)
  }

  const unsafeOfferAll = (batch: ReadonlyArray<A>): number => {
    if (batch.length === 0) return 0
    if (ended !== undefined) return batch.length
    const fits = room()
    const count = Math.min(Math.max(fits, 0), batch.length)
    if (count > 0) {
      flushMarker()
      push(count === batch.length ? batch : batch.slice(0, count))
      wakeReaders()
    }
    if (count === batch.length || overflow !== "dropping") return batch.length - count
    lose(batch.slice(count))
    return 0
  }

  const awaitRoom = Effect.async<void>((resume) => {
    wakeWriter = () => {
      wakeWriter = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      wakeWriter = undefined
    })
  })

  const offerAll = (batch: ReadonlyArray<A>): Effect.Effect<number> =>
    Effect.suspend(() => {
      const left = unsafeOfferAll(batch)
      if (left === 0 || overflow !== "suspend" || ended !== undefined) return Effect.succeed(left)
      const rest = batch.slice(batch.length - left)
      return awaitRoom.pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            lose(rest)
          })
        ),
        Effect.zipRight(offerAll(rest))
      )
    })

  const takeHeld = (reader: Reader<A>): Array<A> => {
    const from = reader.next - base
    const alone = from === 0 && readers.size === 1
    const held = alone ? items : items.slice(from)
    reader.next = base + items.length
    if (alone) {
      // The only reader takes the array itself.
      items = []
      base = reader.next
      if (held.length > 0) wakeWriter?.()
    } else {
      forget(oldestNeeded())
    }
    if (reader.before === undefined) return held
    const before = reader.before
    reader.before = undefined
    options.onMarker?.(before)
    return [before, ...held]
  }

  const drain = (reader: Reader<A>): Array<A> => {
    const held = takeHeld(reader)
    // It stands where everything has been read, and there is room for it now, unless another reader is far behind.
    if (pending === undefined || (ended === undefined && items.length >= capacity)) return held
    flushMarker()
    return [...held, ...takeHeld(reader)]
  }

  const openAt = (at: () => Pick<Reader<A>, "before" | "next">): Open<A, E> => (wake) => {
    const reader: Reader<A> = { ...at(), wake }
    readers.add(reader)
    return {
      drain: () => drain(reader),
      ended: () => ended,
      close: () => {
        readers.delete(reader)
        // When nobody reads any more, what this reader left unread is held for the next.
        if (readers.size > 0) forget(oldestNeeded())
        else if (taker === undefined) unread = reader.before
        else forget(base + items.length)
      }
    }
  }

  const open = openAt(() => {
    const before = unread
    unread = undefined
    return { next: base, before }
  })

  const handOver: Broadcast<A, E>["handOver"] = (take) =>
    Effect.async<void, E>((resume) => {
      if (unread !== undefined) {
        options.onMarker?.(unread)
        take([unread])
        unread = undefined
      }
      if (items.length > 0) take(items)
      taker = { take, end: resume }
      if (readers.size === 0) forget(base + items.length)
      flushMarker()
      if (ended !== undefined) resume(ended)
      return Effect.sync(() => {
        taker = undefined
      })
    })

  return {
    offerAll,
    unsafeOfferAll,
    fits: (count) => room() >= count,
    mark: (marker) => {
      if (ended !== undefined) return
      pending = pending === undefined ? marker : fold(pending, [marker])
      if (isRead()) flushMarker()
      wakeReaders()
    },
    end: (exit) => {
      if (ended !== undefined) return
      if (taker !== undefined) flushMarker()
      ended = exit
      taker?.end(exit)
      taker = undefined
      wakeReaders()
      wakeWriter?.()
    },
    lost: () => lostSoFar,
    handOver,
    open,
    stream: merge([open], identity),
    streamOf: (select) => merge([open], select),
    streamFrom: (current) => merge([openAt(() => ({ next: base + items.length, before: current() }))], identity)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading

interface Place<A, E> {
  readonly cursor: Cursor<A, E>
  isReady: boolean
}

interface Places<A, E> {
  /** What came since the last time, from all of them. */
  readonly take: () => ReadonlyArray<A>
  /** How it ended, when everything before has been taken. */
  readonly ended: () => Exit.Exit<void, E> | undefined
  readonly arrived: Effect.Effect<void>
  readonly close: () => void
}

const openAll = <A, E>(opens: ReadonlyArray<Open<A, E>>): Places<A, E> => {
  let ready: Array<Place<A, E>> = []
  let running = opens.length
  let ended: Exit.Exit<void, E> | undefined = running === 0 ? Exit.void : undefined
  let resume: ((arrived: Effect.Effect<void>) => void) | undefined

  const show = (place: Place<A, E>) => {
    if (place.isReady) return
    place.isReady = true
    ready.push(place)
  }
  const places = opens.map((open) => {
    const place: Place<A, E> = {
      isReady: false,
      cursor: open(() => {
        show(place)
        const waiting = resume
        resume = undefined
        waiting?.(Effect.void)
      })
    }
    return place
  })
  places.forEach(show)

  return {
    take: () => {
      const visited = ready
      ready = []
      let all: ReadonlyArray<A> | undefined
      let joined: Array<A> | undefined
      for (const place of visited) {
        place.isReady = false
        const batch = place.cursor.drain()
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
        const end = place.cursor.ended()
        if (end === undefined) continue
        if (batch.length > 0) show(place)
        else if (Exit.isFailure(end) || --running === 0) ended ??= end
      }
      return all ?? []
    },
    ended: () => ended,
    // There is nothing to clean up: what wakes nobody does no harm. Something may have come since it was looked.
    arrived: Effect.async<void>((waiting) => {
      if (ready.length > 0) waiting(Effect.void)
      else resume = waiting
    }),
    close: () => {
      for (const { cursor } of places) cursor.close()
    }
  }
}

const read = <A, E, B>(
  { arrived, ended, take }: Places<A, E>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Stream.Stream<B, E> => {
  // Nothing when it has ended.
  const next: Effect.Effect<ReadonlyArray<A> | undefined, E> = Effect.suspend(() => {
    const batch = take()
    if (batch.length > 0) return Effect.succeed(batch)
    const end = ended()
    return end === undefined ? Effect.zipRight(arrived, next) : Effect.as(end, undefined)
  })
  const rest: Channel.Channel<Chunk.Chunk<B>, unknown, E> = Channel.flatMap(Channel.fromEffect(next), (batch) =>
    batch === undefined
      ? Channel.void
      : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(select(batch))), () => rest))
  return Stream.fromChannel(rest)
}

/**
 * All that several broadcasts hold, each in its own order: whoever reads it is woken once for what came at once, and
 * not once for each. It fails with the first of them to fail, and ends with the last.
 */
export const merge = <A, E, B>(
  opens: ReadonlyArray<Open<A, E>>,
  select: (batch: ReadonlyArray<A>) => ReadonlyArray<B>
): Stream.Stream<B, E> =>
  Effect.acquireRelease(
    Effect.sync(() => openAll(opens)),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map((places) => read(places, select)), Stream.unwrapScoped)
