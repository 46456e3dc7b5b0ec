// What arrives while the handshake of a new connection is still under way: kept, in order, until there is somebody to
// deliver it to, and shown to the handshake meanwhile.
import * as Effect from "effect/Effect"
import type { Message } from "../Transport.ts"

export interface Early {
  /** Takes a batch; gives false once the handshake is over and batches go straight to their reader. */
  readonly unsafeHold: (batch: ReadonlyArray<Message>) => boolean
  /** Waits while too much is held, so that a flood before the handshake stays in the peer's own buffers. */
  readonly room: Effect.Effect<void>
  /** The next message the handshake has not looked at. Looking does not take it away. */
  readonly receive: Effect.Effect<Message>
  /** Waits until everything that was held has been delivered. */
  readonly released: Effect.Effect<void>
  /** The handshake is over: delivers what is held, and then lets everything pass. */
  readonly release: <E>(deliver: (batch: ReadonlyArray<Message>) => Effect.Effect<void, E>) => Effect.Effect<void, E>
}

export const make = (capacity: number): Early => {
  let held: Array<Message> = []
  let looked = 0
  let over = false
  const arrived = Effect.unsafeMakeLatch(false)
  const drained = Effect.unsafeMakeLatch(true)
  const released = Effect.unsafeMakeLatch(false)

  const receive: Effect.Effect<Message> = Effect.suspend(() => {
    const message = held[looked]
    if (message === undefined) {
      arrived.unsafeClose()
      return Effect.zipRight(arrived.await, receive)
    }
    looked++
    return Effect.succeed(message)
  })

  return {
    unsafeHold: (batch) => {
      if (over) return false
      for (const message of batch) held.push(message)
      arrived.unsafeOpen()
      if (held.length >= capacity) drained.unsafeClose()
      return true
    },
    room: drained.await,
    receive,
    released: released.await,
    release: (deliver) => {
      const next: ReturnType<typeof deliver> = Effect.suspend(() => {
        if (held.length === 0) {
          over = true
          return released.open
        }
        const batch = held
        held = []
        drained.unsafeOpen()
        return Effect.zipRight(deliver(batch), next)
      })
      return next
    }
  }
}
