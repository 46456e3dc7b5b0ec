// What a socket has received and nobody has pulled yet: the reading half of every transport.
//
// What arrives in one turn of the event loop is one batch: whoever waits is woken once, when the turn's callbacks have
// run, and takes the array itself. At low rates that fibre costs more than all it does, so a batch can also be handed
// over without one: at once when a transport says where a read begins and ends, and else when the turn's callbacks have
// run.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type { Message, SocketError } from "../../Transport.ts"

// Past either of these, reading stops until somebody pulls: enough to keep a fast consumer busy for a turn of the
// event loop, and little beside what the operating system buffers itself.
const highWaterMessages = 1024
const highWaterBytes = 1024 * 1024

// What one read brings at most: libuv's buffer, and a TLS record (RFC 8446 §5.1). With more waiting behind it, what
// counts is how much can be done, and not how soon.
const fullReads: ReadonlySet<number> = new Set([65_536, 16_384])
// In a part of any other read. A part costs about what two messages do.
const partSize = 32

export interface Incoming {
  /**
   * What is offered between these two has come at once, so many bytes of it, and is handed over when it has: all of it
   * when more is waiting behind, and else in parts, so that what came first does not wait for what came last.
   */
  readonly unsafeBeginRead: (bytes: number) => void
  readonly unsafeEndRead: () => void
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** The first end counts. What was received before it is pulled before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>
  /** `Socket.handOver`. */
  readonly handOver: (
    take: (batch: NonEmptyReadonlyArray<Message>) => boolean
  ) => Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>
  /** Calls back with the end, whether or not everything before it was pulled. Gives back what stops that. */
  readonly onEnd: (hear: (end: Exit.Exit<never, SocketError>) => void) => () => void
  readonly isEnded: () => boolean
}

export const make = (flow: { readonly pause: () => void; readonly resume: () => void }): Incoming => {
  const waiting = new Set<(exit: Exit.Exit<never, SocketError>) => void>()
  const arrived = Effect.unsafeMakeLatch(false)
  let end: Exit.Exit<never, SocketError> | undefined
  let batch: Array<Message> = []
  let bytes = 0
  let paused = false

  // Who is handed what arrives, at once or when this turn's callbacks have run.
  let taker: { readonly pass: () => void; readonly passLater: () => void } | undefined
  let isReading = false
  let partAt = partSize

  const takeBatch = (): ReadonlyArray<Message> => {
    const taken = batch
    if (taken.length === 0) return taken
    batch = []
    bytes = 0
    if (end === undefined) arrived.unsafeClose()
    if (paused) {
      paused = false
      flow.resume()
    }
    return taken
  }

  const pull: Incoming["pull"] = Effect.suspend(() => {
    const taken = takeBatch()
    return isNonEmptyReadonlyArray(taken) ? Effect.succeed(taken) : end ?? Effect.zipRight(arrived.await, pull)
  })

  const handOver: Incoming["handOver"] = (take) =>
    Effect.withFiberRuntime((fiber) =>
      Effect.async<NonEmptyReadonlyArray<Message>, SocketError>((resume) => {
        const settle = (result: Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>) => {
          taker = undefined
          resume(result)
        }
        const pass = () => {
          if (taker !== mine) return
          const taken = takeBatch()
          try {
            if (isNonEmptyReadonlyArray(taken) && !take(taken)) settle(Effect.succeed(taken))
            else if (end !== undefined) settle(end)
          } catch (defect) {
            settle(Effect.die(defect))
          }
        }
        const passLater = () => {
          fiber.currentScheduler.scheduleTask(pass, fiber.getFiberRef(FiberRef.currentSchedulingPriority), fiber)
        }
        const mine = taker = { pass, passLater }
        pass()
        return Effect.sync(() => {
          if (taker === mine) taker = undefined
        })
      })
    )

  return {
    unsafeBeginRead: (size) => {
      isReading = true
      partAt = fullReads.has(size) ? Number.POSITIVE_INFINITY : partSize
    },
    unsafeEndRead: () => {
      isReading = false
      if (batch.length > 0) taker?.pass()
    },
    unsafeOffer: (message, size) => {
      if (end !== undefined) return
      if (batch.push(message) === 1) {
        if (taker === undefined) arrived.unsafeOpen()
        else if (!isReading) taker.passLater()
      }
      bytes += size
      if (batch.length >= partAt && isReading) taker?.pass()
      if (!paused && (batch.length >= highWaterMessages || bytes >= highWaterBytes)) {
        paused = true
        flow.pause()
      }
    },
    unsafeEnd: (error) => {
      if (end !== undefined) return
      end = Exit.fail(error)
      arrived.unsafeOpen()
      taker?.passLater()
      for (const resume of waiting) resume(end)
      waiting.clear()
    },
    pull,
    handOver,
    onEnd: (hear) => {
      if (end === undefined) waiting.add(hear)
      else hear(end)
      return () => {
        waiting.delete(hear)
      }
    },
    isEnded: () => end !== undefined
  }
}
