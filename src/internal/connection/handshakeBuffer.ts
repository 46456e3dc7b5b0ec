// Holds the messages that arrive while the protocol's handshake runs. The handshake peeks at each of them; when it is
// done, all are delivered in order.
import * as Effect from "effect/Effect"
import type { Message } from "../../Transport.ts"

export interface HandshakeBuffer {
  /**
   * Takes a batch. The socket has to run the returned effect: it lets the handshake look at the batch, and waits while
   * the buffer is full. Once all held messages are delivered, it takes nothing and returns `undefined`.
   */
  readonly hold: (batch: ReadonlyArray<Message>) => Effect.Effect<void> | undefined
  /** The next message that the handshake has not seen. It stays in the buffer. */
  readonly receive: Effect.Effect<Message>
  /**
   * Called when the socket has ended. Waits until the held messages are delivered. It does not wait if the handshake waits
   * for another message, or has not looked at any: such a handshake may never be done.
   */
  readonly finish: Effect.Effect<void>
  /** Called when the handshake is done. Delivers the held messages; from then on `hold` takes nothing. */
  readonly release: <E>(deliver: (batch: ReadonlyArray<Message>) => Effect.Effect<void, E>) => Effect.Effect<void, E>
}

export const make = (capacity: number): HandshakeBuffer => {
  let held: Array<Message> = []
  // How many of the held messages the handshake has seen.
  let seen = 0
  let isWaiting = false
  let isReleasing = false
  let isReleased = false
  let hasEnded = false
  const arrived = Effect.unsafeMakeLatch(false)
  const drained = Effect.unsafeMakeLatch(true)
  const finished = Effect.unsafeMakeLatch(false)

  // Seen messages do not count towards the capacity: the handshake may be waiting for a later one.
  const unseen = () => isReleasing ? held.length : held.length - seen

  const awaitRoom = Effect.zipRight(drained.await, Effect.yieldNow())

  const receive: Effect.Effect<Message> = Effect.suspend(() => {
    const message = held[seen]
    if (message === undefined) {
      if (hasEnded) finished.unsafeOpen()
      isWaiting = true
      arrived.unsafeClose()
      // On interruption too: a handshake may stop waiting, after a timeout say, and go on.
      const nextArrived = Effect.ensuring(arrived.await, Effect.sync(() => {
        isWaiting = false
      }))
      return Effect.zipRight(nextArrived, receive)
    }
    seen++
    if (unseen() < capacity) drained.unsafeOpen()
    return Effect.succeed(message)
  })

  return {
    hold: (batch) => {
      if (isReleased) return undefined
      for (const message of batch) held.push(message)
      arrived.unsafeOpen()
      if (unseen() >= capacity) drained.unsafeClose()
      return awaitRoom
    },
    receive,
    finish: Effect.suspend(() => {
      hasEnded = true
      return isReleased || (!isReleasing && (isWaiting || seen === 0)) ? Effect.void : finished.await
    }),
    release: (deliver) => {
      const next: ReturnType<typeof deliver> = Effect.suspend(() => {
        isReleasing = true
        if (held.length === 0) {
          isReleased = true
          return finished.open
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
