// Holds the messages that arrive while the protocol's handshake runs. The handshake peeks at each of them; when it is
// done, all are delivered in order.
//
// A woken fibre may run at once, inside the call that wakes it: each function changes its state first and wakes last, and
// whatever waits looks at the state again.
import * as Effect from "effect/Effect"
import { InboxOverflow, OnOpenFailed } from "../../ConnectionError.ts"
import type { Message } from "../../Transport.ts"
import { sizeOf } from "./messageSize.ts"

export interface HandshakeBuffer {
  /**
   * Takes a batch. The socket has to run the returned effect: it lets the handshake look at the batch, and waits while
   * the buffer is full. It fails if the buffer is full of messages that the handshake has seen, and the handshake waits for
   * another. Once all held messages are delivered, it takes nothing and returns `undefined`.
   */
  readonly hold: (batch: ReadonlyArray<Message>) => Effect.Effect<void, OnOpenFailed> | undefined
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

export const make = ({ capacity, maxBytes }: { readonly capacity: number; readonly maxBytes: number }): HandshakeBuffer => {
  let held: Array<Message> = []
  // The size of the held messages, and of those that are being delivered.
  let bytes = 0
  // How many of the held messages the handshake has seen.
  let seen = 0
  let isWaiting = false
  let isReleasing = false
  let isReleased = false
  let hasEnded = false
  const arrived = Effect.unsafeMakeLatch(false)
  const progressed = Effect.unsafeMakeLatch(false)
  const finished = Effect.unsafeMakeLatch(false)

  // Seen messages do not count towards the capacity: the handshake may be waiting for a later one. They take memory though.
  const unseen = () => isReleasing ? held.length : held.length - seen
  const isFull = () => !isReleased && (unseen() >= capacity || bytes >= maxBytes)
  const isStuck = () => isFull() && !isReleasing && isWaiting && unseen() === 0

  const awaitRoom: Effect.Effect<void, OnOpenFailed> = Effect.suspend(() => {
    if (isStuck()) return new OnOpenFailed({ cause: new InboxOverflow({ capacity, maxBytes, bound: "maxBytes" }) })
    if (!isFull()) return Effect.void
    progressed.unsafeClose()
    return Effect.zipRight(progressed.await, awaitRoom)
  })

  const receive: Effect.Effect<Message> = Effect.suspend(() => {
    const message = held[seen]
    if (message === undefined) {
      isWaiting = true
      arrived.unsafeClose()
      if (hasEnded) finished.unsafeOpen()
      progressed.unsafeOpen()
      // On interruption too: a handshake may stop waiting, after a timeout say, and go on.
      const nextArrived = Effect.ensuring(arrived.await, Effect.sync(() => {
        isWaiting = false
      }))
      return Effect.zipRight(nextArrived, receive)
    }
    seen++
    progressed.unsafeOpen()
    return Effect.succeed(message)
  })

  return {
    hold: (batch) => {
      if (isReleased) return undefined
      for (const message of batch) {
        held.push(message)
        bytes += sizeOf(message)
      }
      arrived.unsafeOpen()
      return Effect.zipRight(Effect.yieldNow(), awaitRoom)
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
          progressed.unsafeOpen()
          finished.unsafeOpen()
          return Effect.void
        }
        const batch = held
        const size = bytes
        held = []
        return Effect.flatMap(deliver(batch), () => {
          bytes -= size
          progressed.unsafeOpen()
          return next
        })
      })
      return next
    }
  }
}
