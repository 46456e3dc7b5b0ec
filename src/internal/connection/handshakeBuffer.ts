// Holds what arrives while the protocol's handshake runs: it shows the handshake each message, and delivers all of them,
// in order, when the handshake is done.
import * as Effect from "effect/Effect"
import type { Message } from "../../Transport.ts"

export interface HandshakeBuffer {
  /**
   * Takes a batch, and gives back what the socket has to wait for: a flood stays in the peer's own buffers, and the
   * handshake gets a turn to look at each batch. Gives nothing back, and takes nothing, once everything held is delivered.
   */
  readonly hold: (batch: ReadonlyArray<Message>) => Effect.Effect<void> | undefined
  /** The next message the handshake has not looked at. Looking does not take it away. */
  readonly receive: Effect.Effect<Message>
  /**
   * Nothing more will come. Waits until what is held has been delivered, unless the handshake waits for more than that
   * or does not look at it at all.
   */
  readonly finish: Effect.Effect<void>
  /** The handshake is done: delivers what is held, and then lets everything pass. */
  readonly release: <E>(deliver: (batch: ReadonlyArray<Message>) => Effect.Effect<void, E>) => Effect.Effect<void, E>
}

export const make = (capacity: number): HandshakeBuffer => {
  let held: Array<Message> = []
  let looked = 0
  let waiting = false
  let releasing = false
  let over = false
  let ended = false
  const arrived = Effect.unsafeMakeLatch(false)
  const drained = Effect.unsafeMakeLatch(true)
  const finished = Effect.unsafeMakeLatch(false)

  // What the handshake has looked at does not count: it may be waiting for what comes after that.
  const unseen = () => releasing ? held.length : held.length - looked

  const looksInTurn = Effect.zipRight(drained.await, Effect.yieldNow())

  const receive: Effect.Effect<Message> = Effect.suspend(() => {
    const message = held[looked]
    if (message === undefined) {
      if (ended) finished.unsafeOpen()
      waiting = true
      arrived.unsafeClose()
      // It may be interrupted, and the handshake go on without.
      const waited = Effect.ensuring(arrived.await, Effect.sync(() => {
        waiting = false
      }))
      return Effect.zipRight(waited, receive)
    }
    looked++
    if (unseen() < capacity) drained.unsafeOpen()
    return Effect.succeed(message)
  })

  return {
    hold: (batch) => {
      if (over) return undefined
      for (const message of batch) held.push(message)
      arrived.unsafeOpen()
      if (unseen() >= capacity) drained.unsafeClose()
      return looksInTurn
    },
    receive,
    finish: Effect.suspend(() => {
      ended = true
      return over || (!releasing && (waiting || looked === 0)) ? Effect.void : finished.await
    }),
    release: (deliver) => {
      const next: ReturnType<typeof deliver> = Effect.suspend(() => {
        releasing = true
        if (held.length === 0) {
          over = true
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
