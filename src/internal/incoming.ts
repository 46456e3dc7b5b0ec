// What a socket has received and nobody has pulled yet: the reading half of every transport.
//
// What arrives in one turn of the event loop is one batch: whoever waits is woken once, when the turn's callbacks have
// run, and takes the array itself. At low rates that fibre costs more than all it does, so a batch can also be handed
// over without one.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type { Message, SocketError } from "../Transport.ts"

// Past either of these, reading stops until somebody pulls: enough to keep a fast consumer busy for a turn of the
// event loop, and little beside what the operating system buffers itself.
const highWaterMessages = 1024
const highWaterBytes = 1024 * 1024

export interface Incoming {
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** The first end counts. What was received before it is pulled before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>
  /** `Socket.handOver`. */
  readonly handOver: (
    take: (batch: NonEmptyReadonlyArray<Message>) => boolean
  ) => Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>
  /** Completes with the end, whether or not everything before it was pulled. */
  readonly ended: Effect.Effect<never, SocketError>
  readonly isEnded: () => boolean
}

export const make = (flow: { readonly pause: () => void; readonly resume: () => void }): Incoming => {
  const waiting = new Set<(exit: Exit.Exit<never, SocketError>) => void>()
  const arrived = Effect.unsafeMakeLatch(false)
  let end: Exit.Exit<never, SocketError> | undefined
  let batch: Array<Message> = []
  let bytes = 0
  let paused = false

  // Called when there is something to take where there was nothing, and when it ends.
  let onArrival: (() => void) | undefined

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
          onArrival = undefined
          resume(result)
        }
        const pass = () => {
          if (onArrival !== schedulePass) return
          const taken = takeBatch()
          try {
            if (isNonEmptyReadonlyArray(taken) && !take(taken)) settle(Effect.succeed(taken))
            else if (end !== undefined) settle(end)
          } catch (defect) {
            settle(Effect.die(defect))
          }
        }
        const schedulePass = () => {
          fiber.currentScheduler.scheduleTask(pass, fiber.getFiberRef(FiberRef.currentSchedulingPriority), fiber)
        }
        onArrival = schedulePass
        pass()
        return Effect.sync(() => {
          if (onArrival === schedulePass) onArrival = undefined
        })
      })
    )

  return {
    unsafeOffer: (message, size) => {
      if (end !== undefined) return
      if (batch.push(message) === 1) {
        arrived.unsafeOpen()
        onArrival?.()
      }
      bytes += size
      if (!paused && (batch.length >= highWaterMessages || bytes >= highWaterBytes)) {
        paused = true
        flow.pause()
      }
    },
    unsafeEnd: (error) => {
      if (end !== undefined) return
      end = Exit.fail(error)
      arrived.unsafeOpen()
      onArrival?.()
      for (const resume of waiting) resume(end)
      waiting.clear()
    },
    pull,
    handOver,
    ended: Effect.async((resume) => {
      if (end !== undefined) {
        resume(end)
        return
      }
      waiting.add(resume)
      return Effect.sync(() => {
        waiting.delete(resume)
      })
    }),
    isEnded: () => end !== undefined
  }
}
