// A bounded buffer that many readers read, each at its own pace, and that never loses an item unseen.
//
// It holds what some reader has not read yet; with no reader at all, everything, so that the first one misses nothing.
// A new reader starts at the oldest item still held. What does not fit is handled by the overflow policy, and what is
// lost by it is folded into a marker item that takes the place of the lost ones.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type { Listenable } from "../../Listenable.ts"
import type { Cursor, Readable, Listener, Waker } from "./cursors.ts"
import * as Cursors from "./cursors.ts"

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

class Reader<A, E> implements Cursor<A, E> {
  isReady = false
  /** The sequence number of the item to read next. */
  next: number
  /** What is read before it: the marker of what slid away, or the item to begin with. */
  before: A | undefined
  readonly waker: Waker<A, E>
  readonly #broadcast: Broadcast<A, E>
  constructor(broadcast: Broadcast<A, E>, waker: Waker<A, E>, next: number, before: A | undefined) {
    this.#broadcast = broadcast
    this.waker = waker
    this.next = next
    this.before = before
  }

  drain(): ReadonlyArray<A> {
    return this.#broadcast.drain(this)
  }

  ended(): Exit.Exit<void, E> | undefined {
    return this.#broadcast.ended()
  }

  close(): void {
    this.#broadcast.leave(this)
  }
}

const none: ReadonlyArray<never> = []

// A class, and not closures, since there are several for each connection and each stream: what a closure costs in memory,
// and in lines of the cache, a method does not (measured: half the cost of a trade among a thousand streams).
export class Broadcast<A, E = never> implements Readable<A, E> {
  readonly #options: Options<A>
  readonly #capacity: number
  readonly #overflow: Overflow
  // These two are replaced, and not changed: whoever is woken or handed something may come or go meanwhile.
  #readers: ReadonlyArray<Reader<A, E>> = none
  #listeners: ReadonlyArray<Listener<A, E>> = none
  #isDelivering = false
  // What comes after what is being handed over now.
  #later: Array<() => void> = []
  #items: Array<A> = []
  // The sequence number of items[0].
  #base = 0
  // What waits to be marked before the next item.
  #pending: A | undefined = undefined
  // What slid away while there was no reader to miss it: the next one begins with it.
  #unread: A | undefined = undefined
  #ended: Exit.Exit<void, E> | undefined = undefined
  #wakeWriter: (() => void) | undefined = undefined
  #lost = 0

  constructor(options: Options<A>) {
    this.#options = options
    this.#capacity = options.capacity
    this.#overflow = options.overflow
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  /** Puts items in, in order. Gives back how many found no room: only with `fail`, or when it has ended. */
  offerAll(batch: ReadonlyArray<A>): Effect.Effect<number> {
    return Effect.suspend(() => {
      const left = this.unsafeOfferAll(batch)
      if (left === 0 || this.#overflow !== "suspend" || this.#ended !== undefined) return Effect.succeed(left)
      const rest = batch.slice(batch.length - left)
      return this.#awaitRoom().pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            this.#lose(rest)
          })
        ),
        Effect.zipRight(this.offerAll(rest))
      )
    })
  }

  /** The same for policies that never wait: `sliding` and `dropping`. */
  unsafeOfferAll(batch: ReadonlyArray<A>): number {
    if (batch.length === 0) return 0
    if (this.#ended !== undefined) return batch.length
    const count = Math.min(Math.max(this.#room(), 0), batch.length)
    if (count > 0) {
      this.#flushMarker()
      this.#push(count === batch.length ? batch : batch.slice(0, count))
      this.#wakeReaders()
    }
    if (count === batch.length || this.#overflow !== "dropping") return batch.length - count
    this.#lose(batch.slice(count))
    return 0
  }

  /** Whether so many items have room now. */
  fits(count: number): boolean {
    return this.#room() >= count
  }

  /** Puts a marker before the next item, or where the reader stands when it has read everything. */
  mark(marker: A): void {
    if (this.#ended !== undefined) return
    this.#pending = this.#pending === undefined ? marker : this.#options.fold(this.#pending, [marker])
    if (this.#isRead()) this.#flushMarker()
    this.#wakeReaders()
  }

  /** Lets readers finish what is held, and then ends or fails them. */
  end(exit: Exit.Exit<void, E>): void {
    if (this.#ended !== undefined) return
    if (this.#listeners.length > 0) this.#flushMarker()
    this.#ended = exit
    this.#endListeners(exit)
    this.#wakeReaders()
    this.#wakeWriter?.()
  }

  /** How many items have been lost so far, to all readers together. */
  lost(): number {
    return this.#lost
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  get stream(): Listenable<A, E> {
    return Cursors.of(() => [this], identity)
  }

  /** Only what comes from now on, after the item that `current` gives. */
  streamFrom(current: () => A): Listenable<A, E> {
    const readable: Readable<A, E> = {
      open: (waker) => this.#openAt(this.#base + this.#items.length, current(), waker),
      listen: (listener) => this.#listen([current()], listener)
    }
    return Cursors.of(() => [readable], identity)
  }

  /** Takes a place at the oldest item held. */
  open(waker: Waker<A, E>): Cursor<A, E> {
    return this.#openAt(this.#base, this.#takeUnread(), waker)
  }

  /** Hands over what is held, and then every batch when it is put in. Gives back what ends that. */
  listen(listener: Listener<A, E>): () => void {
    const unread = this.#takeUnread()
    if (unread === undefined) return this.#listen([...this.#items], listener)
    this.#options.onMarker?.(unread)
    return this.#listen([unread, ...this.#items], listener)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is held

  // A taker has seen everything that is held.
  #isRead(): boolean {
    return this.#listeners.length > 0 && this.#readers.length === 0
  }

  #room(): number {
    return this.#overflow === "sliding" || this.#isRead()
      ? Number.POSITIVE_INFINITY
      : this.#freeRoom()
  }

  #freeRoom(): number {
    return this.#capacity - this.#items.length - (this.#pending === undefined ? 0 : 1)
  }

  #push(batch: ReadonlyArray<A>): void {
    if (this.#isRead()) this.#base += batch.length
    else this.#hold(batch)
    if (this.#listeners.length > 0) this.#deliver(this.#listeners, batch)
  }

  #hold(batch: ReadonlyArray<A>): void {
    if (this.#items.length === 0) this.#items = [...batch]
    else for (const item of batch) this.#items.push(item)
    if (this.#overflow === "sliding" && this.#items.length > this.#capacity) this.#slide(this.#items.length - this.#capacity)
  }

  #takeUnread(): A | undefined {
    const unread = this.#unread
    this.#unread = undefined
    return unread
  }

  #flushMarker(): void {
    if (this.#pending === undefined) return
    const marker = this.#pending
    this.#pending = undefined
    this.#options.onMarker?.(marker)
    this.#push([marker])
  }

  #lose(lost: ReadonlyArray<A>): void {
    this.#pending = this.#options.fold(this.#pending, lost)
    this.#countLost(lost.length)
  }

  #countLost(count: number): void {
    this.#lost += count
    this.#options.onLost?.(count)
  }

  #slide(excess: number): void {
    this.#countLost(excess)
    const options = this.#options
    if (this.#readers.length === 0) this.#unread = options.fold(this.#unread, this.#items.slice(0, excess))
    for (const reader of this.#readers) {
      const read = reader.next - this.#base
      if (read >= excess) continue
      reader.before = options.fold(reader.before, this.#items.slice(read, excess))
      reader.next = this.#base + excess
    }
    this.#forget(this.#base + excess)
  }

  #forget(until: number): void {
    const count = until - this.#base
    if (count <= 0) return
    if (count >= this.#items.length) this.#items = []
    else this.#items.splice(0, count)
    this.#base = until
    this.#wakeWriter?.()
  }

  #oldestNeeded(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const reader of this.#readers) oldest = Math.min(oldest, reader.next)
    return oldest
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Who waits

  #listen(held: ReadonlyArray<A>, listener: Listener<A, E>): () => void {
    this.#listeners = [...this.#listeners, listener]
    if (this.#readers.length === 0) this.#forget(this.#base + this.#items.length)
    if (held.length > 0) this.#deliver([listener], held)
    this.#flushMarker()
    if (this.#ended !== undefined) this.#endListeners(this.#ended)
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  #deliver(listeners: ReadonlyArray<Listener<A, E>>, batch: ReadonlyArray<A>): void {
    this.#inOrder(() => {
      for (const listener of listeners) listener.data(batch)
    })
  }

  #endListeners(exit: Exit.Exit<void, E>): void {
    const listeners = this.#listeners
    this.#listeners = none
    this.#inOrder(() => {
      for (const listener of listeners) listener.end(exit)
    })
  }

  // What is done with one batch may make another come, and that one yet another.
  #inOrder(delivery: () => void): void {
    if (this.#isDelivering) {
      this.#later.push(delivery)
      return
    }
    this.#isDelivering = true
    try {
      delivery()
      for (const next of this.#later) next()
    } finally {
      if (this.#later.length > 0) this.#later = []
      this.#isDelivering = false
    }
  }

  #wakeReaders(): void {
    for (const reader of this.#readers) reader.waker.wake(reader)
  }

  #awaitRoom(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const wake = () => {
        this.#wakeWriter = undefined
        resume(Effect.void)
      }
      this.#wakeWriter = wake
      return Effect.sync(() => {
        this.#wakeWriter = undefined
      })
    })
  }

  #openAt(next: number, before: A | undefined, waker: Waker<A, E>): Cursor<A, E> {
    const reader = new Reader<A, E>(this, waker, next, before)
    this.#readers = [...this.#readers, reader]
    return reader
  }

  // -------------------------------------------------------------------------------------------------------------------
  // For its readers

  leave(reader: Reader<A, E>): void {
    this.#readers = this.#readers.filter((other) => other !== reader)
    // When nobody reads any more, what this reader left unread is held for the next.
    if (this.#readers.length > 0) this.#forget(this.#oldestNeeded())
    else if (this.#listeners.length === 0) this.#unread = reader.before
    else this.#forget(this.#base + this.#items.length)
  }

  ended(): Exit.Exit<void, E> | undefined {
    return this.#ended
  }

  drain(reader: Reader<A, E>): ReadonlyArray<A> {
    const held = this.#takeHeld(reader)
    // It stands where everything has been read, and there is room for it now, unless another reader is far behind.
    if (this.#pending === undefined || (this.#ended === undefined && this.#items.length >= this.#capacity)) {
      return held
    }
    this.#flushMarker()
    return [...held, ...this.#takeHeld(reader)]
  }

  #takeHeld(reader: Reader<A, E>): ReadonlyArray<A> {
    const from = reader.next - this.#base
    const alone = from === 0 && this.#readers.length === 1
    const held = alone ? this.#items : this.#items.slice(from)
    reader.next = this.#base + this.#items.length
    if (alone) {
      // The only reader takes the array itself.
      this.#items = []
      this.#base = reader.next
      if (held.length > 0) this.#wakeWriter?.()
    } else {
      this.#forget(this.#oldestNeeded())
    }
    if (reader.before === undefined) return held
    const before = reader.before
    reader.before = undefined
    this.#options.onMarker?.(before)
    return [before, ...held]
  }
}

export const make = <A, E = never>(options: Options<A>): Broadcast<A, E> => new Broadcast<A, E>(options)
