// A bounded buffer for many readers, each at its own pace. It marks every loss.
//
// It holds the items that a reader has not read yet. Without readers and listeners it holds all items for the first one. A
// new reader starts at the oldest item held. The overflow policy decides what happens when it is full. Lost items are
// folded into a marker, an item that stands in their place.
//
// It is bounded in items and, if they are measured, in bytes. What a reader has taken no longer counts. So a reader takes
// only so many bytes at once.
//
// A scheduler may run a woken fibre at once, inside the call that wakes it. So each method changes its state first and
// wakes last, and whatever waits looks at the state again once it can be woken.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type { Listenable } from "../../Listenable.ts"
import type { Cursor, Readable, Listener, Waker } from "./cursors.ts"
import * as Cursors from "./cursors.ts"

export type Overflow = "suspend" | "sliding" | "dropping" | "fail"

/** The bound that lost items did not fit into. */
export type Bound = "capacity" | "maxBytes"

/** A bound on the bytes that are held. */
export interface Bytes<A> {
  /** The most bytes. A larger item is held if it is the only one that has bytes. */
  readonly max: number
  /** The size of an item. Markers take none. Called only for items that are held. */
  readonly of: (item: A) => number
}

export interface Options<A> {
  /** The most items that it holds, markers included. At least 2: an item and the marker before it. */
  readonly capacity: number
  /** Default: items are not measured. */
  readonly bytes?: Bytes<A> | undefined
  readonly overflow: Overflow
  /** Folds lost items (at least one) into the marker of the items lost before them, if there is one. */
  readonly fold: (marker: A | undefined, lost: ReadonlyArray<A>, bound: Bound) => A
  /** Called with every marker, just before a reader or a listener gets it. */
  readonly onMarker?: ((marker: A) => void) | undefined
  /** Called with the number of items, whenever items are lost. */
  readonly onLost?: ((count: number) => void) | undefined
}

class Reader<A, E> implements Cursor<A, E> {
  isReady = false
  /** The sequence number of the item to read next. */
  next: number
  /** An item to read before that one: the marker of items that slid out, or the reader's first item. */
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

// The most bytes that a reader takes at once, unless one item has more. As many as a transport holds before it pauses.
const mostTaken = 1024 * 1024

// A class, not closures: each connection and each stream has several, and closures take more memory (measured: they double
// the cost of a trade among a thousand streams).
export class Broadcast<A, E = never> implements Readable<A, E> {
  readonly #options: Options<A>
  readonly #capacity: number
  readonly #measure: Bytes<A> | undefined
  readonly #overflow: Overflow
  // These two arrays are replaced and never changed: a reader or a listener may come or leave during a loop over them.
  #readers: ReadonlyArray<Reader<A, E>> = none
  #listeners: ReadonlyArray<Listener<A, E>> = none
  #isDelivering = false
  // Deliveries that wait for the one under way.
  #later: Array<() => void> = []
  #items: Array<A> = []
  // The size of `items`.
  #bytes = 0
  // The sequence number of items[0].
  #base = 0
  // The marker to put before the next item.
  #pending: A | undefined = undefined
  // The marker of items that slid out while there was no reader. The next reader begins with it.
  #unread: A | undefined = undefined
  #ended: Exit.Exit<void, E> | undefined = undefined
  #wakeWriter: (() => void) | undefined = undefined
  #fullBound: Bound = "capacity"
  #lost = 0
  // The bytes of the items that `#fitting` has found room for last. Undefined: it did not have to measure them.
  #fittingBytes: number | undefined

  constructor(options: Options<A>) {
    this.#options = options
    this.#capacity = options.capacity
    this.#measure = options.bytes
    this.#overflow = options.overflow
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  /**
   * Adds items in order. With `suspend`, it waits for room. Returns the number of items that found no room, which is above
   * zero only with `fail` or after the end.
   */
  offerAll(batch: ReadonlyArray<A>): Effect.Effect<number> {
    return Effect.suspend(() => {
      const left = this.unsafeOfferAll(batch)
      if (left === 0 || this.#overflow !== "suspend" || this.#ended !== undefined) return Effect.succeed(left)
      const rest = batch.slice(batch.length - left)
      return this.#awaitRoom(rest).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            this.#lose(rest)
          })
        ),
        Effect.zipRight(this.offerAll(rest))
      )
    })
  }

  /** Adds items without waiting for room. Returns the number of items that found no room: with `dropping`, always zero. */
  unsafeOfferAll(batch: ReadonlyArray<A>): number {
    if (batch.length === 0) return 0
    if (this.#ended !== undefined) return batch.length
    const count = this.#fitting(batch)
    if (count > 0) {
      this.#flushMarker()
      this.#push(count === batch.length ? batch : batch.slice(0, count), this.#fittingBytes)
    }
    if (count < batch.length) this.#fullBound = this.#freeRoom() < 1 ? "capacity" : "maxBytes"
    const isDropping = count < batch.length && this.#overflow === "dropping"
    if (isDropping) this.#lose(batch.slice(count))
    if (count > 0) this.#wakeReaders()
    return isDropping ? 0 : batch.length - count
  }

  /** Whether anything reads or listens now. */
  hasReaders(): boolean {
    return this.#readers.length > 0 || this.#listeners.length > 0
  }

  /** The bound that the latest item without room did not fit into. */
  fullBound(): Bound {
    return this.#fullBound
  }

  /** Whether there is room for this many items, whatever their size. */
  fits(count: number): boolean {
    return this.#room() >= count
  }

  /** Puts a marker before the next item. A reader that has read everything gets it now. */
  mark(marker: A): void {
    if (this.#ended !== undefined) return
    this.#pending = this.#pending === undefined ? marker : this.#options.fold(this.#pending, [marker], "capacity")
    if (this.#isRead()) this.#flushMarker()
    this.#wakeReaders()
  }

  /** Ends or fails all listeners now, and each reader once it has read the items held. */
  end(exit: Exit.Exit<void, E>): void {
    if (this.#ended !== undefined) return
    if (this.#listeners.length > 0) this.#flushMarker()
    this.#ended = exit
    this.#endListeners(exit)
    this.#wakeReaders()
    this.#wakeWriter?.()
  }

  /** Whether any item has been added so far. */
  hasBegun(): boolean {
    return this.#base + this.#items.length > 0
  }

  /** The number of items lost so far. */
  lost(): number {
    return this.#lost
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  get stream(): Listenable<A, E> {
    return Cursors.of(() => [this], identity)
  }

  /** A stream that begins with the item of `current` and goes on with the items from now on. */
  streamFrom(current: () => A): Listenable<A, E> {
    const readable: Readable<A, E> = {
      open: (waker) => this.#openAt(this.#base + this.#items.length, current(), waker),
      listen: (listener) => this.#listen([current()], listener)
    }
    return Cursors.of(() => [readable], identity)
  }

  /** Opens a cursor at the oldest item held. */
  open(waker: Waker<A, E>): Cursor<A, E> {
    return this.#openAt(this.#base, this.#takeUnread(), waker)
  }

  /** Calls the listener with the items held, then with each batch as it arrives. Returns a function that stops the calls. */
  listen(listener: Listener<A, E>): () => void {
    const unread = this.#takeUnread()
    if (unread === undefined) return this.#listen([...this.#items], listener)
    this.#options.onMarker?.(unread)
    return this.#listen([unread, ...this.#items], listener)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The items held

  // Whether all items have been delivered: listeners get each item at once, and there is no reader.
  #isRead(): boolean {
    return this.#listeners.length > 0 && this.#readers.length === 0
  }

  #room(): number {
    return this.#overflow === "sliding" || this.#isRead()
      ? Number.POSITIVE_INFINITY
      : this.#freeRoom()
  }

  // How many of these items, from the first on, there is room for.
  #fitting(batch: ReadonlyArray<A>): number {
    const count = Math.min(Math.max(this.#room(), 0), batch.length)
    const measure = this.#measure
    this.#fittingBytes = undefined
    if (measure === undefined || this.#overflow === "sliding" || this.#isRead()) return count
    let bytes = this.#bytes
    let fitting = 0
    for (; fitting < count; fitting++) {
      const item = batch[fitting]
      const size = item === undefined ? 0 : measure.of(item)
      if (bytes > 0 && bytes + size > measure.max) break
      bytes += size
    }
    this.#fittingBytes = bytes - this.#bytes
    return fitting
  }

  #freeRoom(): number {
    return this.#capacity - this.#items.length - (this.#pending === undefined ? 0 : 1)
  }

  #push(batch: ReadonlyArray<A>, bytes?: number): void {
    if (this.#isRead()) this.#base += batch.length
    else this.#hold(batch, bytes ?? this.#sizeOf(batch))
    if (this.#listeners.length > 0) this.#deliver(this.#listeners, batch)
  }

  #hold(batch: ReadonlyArray<A>, bytes: number): void {
    if (this.#items.length === 0) this.#items = [...batch]
    else for (const item of batch) this.#items.push(item)
    this.#bytes += bytes
    if (this.#overflow === "sliding") this.#slide()
  }

  #sizeOf(items: ReadonlyArray<A>): number {
    const measure = this.#measure
    if (measure === undefined) return 0
    let bytes = 0
    for (const item of items) bytes += measure.of(item)
    return bytes
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
    this.#pending = this.#options.fold(this.#pending, lost, this.#fullBound)
    this.#countLost(lost.length)
  }

  #countLost(count: number): void {
    this.#lost += count
    this.#options.onLost?.(count)
  }

  // How many of the oldest items have to go. The last bytes stay, however many they are.
  #excess(): number {
    let excess = Math.max(0, this.#items.length - this.#capacity)
    const measure = this.#measure
    if (measure === undefined || this.#bytes <= measure.max) return excess
    let bytes = this.#bytes - this.#sizeOf(this.#items.slice(0, excess))
    for (let index = excess; bytes > measure.max; index++) {
      const item = this.#items[index]
      const size = item === undefined ? bytes : measure.of(item)
      if (size === bytes) break
      bytes -= size
      if (size > 0) excess = index + 1
    }
    return excess
  }

  #slide(): void {
    const excess = this.#excess()
    if (excess === 0) return
    const bound = this.#items.length > this.#capacity ? "capacity" : "maxBytes"
    this.#countLost(excess)
    const options = this.#options
    if (this.#readers.length === 0) this.#unread = options.fold(this.#unread, this.#items.slice(0, excess), bound)
    for (const reader of this.#readers) {
      const read = reader.next - this.#base
      if (read >= excess) continue
      reader.before = options.fold(reader.before, this.#items.slice(read, excess), bound)
      reader.next = this.#base + excess
    }
    this.#forget(this.#base + excess)
  }

  // Returns whether there is more room now. The caller then wakes the writer, as the last thing it does.
  #forget(until: number): boolean {
    const count = until - this.#base
    if (count <= 0) return false
    if (count >= this.#items.length) {
      this.#items = []
      this.#bytes = 0
    } else {
      this.#bytes -= this.#sizeOf(this.#items.splice(0, count))
    }
    this.#base = until
    return true
  }

  #oldestNeeded(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const reader of this.#readers) oldest = Math.min(oldest, reader.next)
    return oldest
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Listeners and the waiting writer

  #listen(held: ReadonlyArray<A>, listener: Listener<A, E>): () => void {
    this.#listeners = [...this.#listeners, listener]
    const hasRoom = this.#readers.length === 0 && this.#forget(this.#base + this.#items.length)
    if (held.length > 0) this.#deliver([listener], held)
    this.#flushMarker()
    if (this.#ended !== undefined) this.#endListeners(this.#ended)
    if (hasRoom) this.#wakeWriter?.()
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
      for (const listener of listeners) listener.end(exit, this)
    })
  }

  // A listener may cause a new delivery. It waits for the present one, so that all listeners get all batches in order.
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

  // A reader may have made room since the writer found none.
  #awaitRoom(rest: ReadonlyArray<A>): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (this.#ended !== undefined || this.#fitting(rest) > 0) {
        resume(Effect.void)
        return
      }
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
  // For the cursors

  leave(reader: Reader<A, E>): void {
    this.#readers = this.#readers.filter((other) => other !== reader)
    // When the last reader leaves, the items that it has not read are held for the next one.
    if (this.#readers.length === 0 && this.#listeners.length === 0) {
      this.#unread = reader.before
      return
    }
    const oldest = this.#readers.length > 0 ? this.#oldestNeeded() : this.#base + this.#items.length
    // Without readers there is room for everything.
    if (this.#forget(oldest) || this.#readers.length === 0) this.#wakeWriter?.()
  }

  ended(): Exit.Exit<void, E> | undefined {
    return this.#ended
  }

  drain(reader: Reader<A, E>): ReadonlyArray<A> {
    const before = this.#base
    const taken = this.#takeHeld(reader)
    const hasRead = reader.next === this.#base + this.#items.length
    // The reader has read everything, so the pending marker comes now, unless a slower reader leaves no room for it.
    const isMarked = hasRead && this.#pending !== undefined && (this.#ended !== undefined || this.#items.length < this.#capacity)
    if (isMarked) this.#flushMarker()
    const all = isMarked ? [...taken, ...this.#takeHeld(reader)] : taken
    if (!hasRead) reader.waker.wake(reader)
    if (this.#base > before) this.#wakeWriter?.()
    return all
  }

  #takeHeld(reader: Reader<A, E>): ReadonlyArray<A> {
    const from = reader.next - this.#base
    const until = this.#takeUntil(from)
    const alone = from === 0 && until === this.#items.length && this.#readers.length === 1
    // The only reader gets the array itself, not a copy.
    const held = alone ? this.#items : this.#items.slice(from, until)
    reader.next = this.#base + until
    this.#forget(alone ? reader.next : this.#oldestNeeded())
    if (reader.before === undefined) return held
    const before = reader.before
    reader.before = undefined
    this.#options.onMarker?.(before)
    return [before, ...held]
  }

  // The index after the last item that a reader takes now.
  #takeUntil(from: number): number {
    const measure = this.#measure
    if (measure === undefined || this.#bytes <= mostTaken) return this.#items.length
    let bytes = 0
    for (let index = from; index < this.#items.length; index++) {
      const item = this.#items[index]
      bytes += item === undefined ? 0 : measure.of(item)
      if (bytes > mostTaken) return Math.max(index, from + 1)
    }
    return this.#items.length
  }
}

export const make = <A, E = never>(options: Options<A>): Broadcast<A, E> => new Broadcast<A, E>(options)
