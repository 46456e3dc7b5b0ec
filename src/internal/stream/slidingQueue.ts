// A bounded queue with one consumer. It holds what arrives while the consumer is busy. When it is full, the oldest items
// slide out, and the next batch tells their number.
import * as Effect from "effect/Effect"

export interface Batch<A> {
  /** The number of items that were dropped before these. */
  readonly dropped: number
  readonly items: ReadonlyArray<A>
}

export class SlidingQueue<A> {
  readonly #capacity: number
  readonly #latch = Effect.unsafeMakeLatch(false)
  #items: Array<A> = []
  #head = 0
  #dropped = 0
  #isWaiting = false

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  offer(item: A): void {
    this.#add(item)
    this.#latch.unsafeOpen()
  }

  offerAll(items: ReadonlyArray<A>): void {
    if (items.length === 0) return
    for (const item of items) this.#add(item)
    this.#latch.unsafeOpen()
  }

  #add(item: A): void {
    this.#items.push(item)
    if (this.#items.length - this.#head > this.#capacity) {
      this.#head++
      this.#dropped++
      if (this.#head > this.#capacity) {
        this.#items = this.#items.slice(this.#head)
        this.#head = 0
      }
    }
  }

  /** Lets `ready` complete, although there may be no items. */
  wake(): void {
    this.#latch.unsafeOpen()
  }

  /** Completes when there are items to drain. */
  readonly ready: Effect.Effect<void> = Effect.suspend(() => {
    this.#isWaiting = true
    return Effect.ensuring(this.#latch.await, Effect.sync(() => {
      this.#isWaiting = false
    }))
  })

  drain(): Batch<A> {
    const batch = { dropped: this.#dropped, items: this.#head === 0 ? this.#items : this.#items.slice(this.#head) }
    this.#items = []
    this.#head = 0
    this.#dropped = 0
    this.#latch.unsafeClose()
    return batch
  }

  /** The items that wait, without taking them. */
  waiting(): ReadonlyArray<A> {
    return this.#head === 0 ? this.#items : this.#items.slice(this.#head)
  }

  isEmpty(): boolean {
    return this.#items.length === 0
  }

  /** Whether the consumer has drained everything and waits for more. */
  isIdle(): boolean {
    return this.#isWaiting && this.isEmpty()
  }
}

export const make = <A>(capacity: number): SlidingQueue<A> => new SlidingQueue<A>(capacity)
