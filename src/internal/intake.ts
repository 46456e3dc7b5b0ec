// The bounded buffer before a fibre that follows one stream: what comes from the sockets while it repairs, or while its
// consumer is slow. The oldest slide out; how many did is told with the next batch.
import * as Effect from "effect/Effect"

export interface Batch<A> {
  /** How many items before these were dropped. */
  readonly dropped: number
  readonly items: ReadonlyArray<A>
}

export interface Intake<A> {
  readonly offer: (item: A) => void
  /** Completes when there is something to drain. */
  readonly ready: Effect.Effect<void>
  readonly drain: () => Batch<A>
  /** Whether its fibre has drained everything and waits for more. */
  readonly isIdle: () => boolean
}

export const make = <A>(capacity: number): Intake<A> => {
  const latch = Effect.unsafeMakeLatch(false)
  let items: Array<A> = []
  let head = 0
  let dropped = 0
  let waiting = false
  return {
    offer: (item) => {
      items.push(item)
      if (items.length - head > capacity) {
        head++
        dropped++
        if (head > capacity) {
          items = items.slice(head)
          head = 0
        }
      }
      latch.unsafeOpen()
    },
    ready: Effect.suspend(() => {
      waiting = true
      return Effect.ensuring(latch.await, Effect.sync(() => {
        waiting = false
      }))
    }),
    drain: () => {
      const batch = { dropped, items: head === 0 ? items : items.slice(head) }
      items = []
      head = 0
      dropped = 0
      latch.unsafeClose()
      return batch
    },
    isIdle: () => waiting && items.length === 0
  }
}
