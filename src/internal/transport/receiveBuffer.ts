// The messages that a socket has received and nobody has taken: the reading half of every transport.
//
// A fibre that waits in `receive` is not woken for a batch, since at low rates its waking would cost more than all the
// rest. Its handler is called where the messages arrive: at the end of the read that brought them, where the transport
// says where reads begin and end, and else when the callbacks of this turn of the event loop have run. The fibre wakes
// to run what the handler gives back, and at the end.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type { Message, Socket, SocketError } from "../../Transport.ts"

// At either of these, reading stops until the messages are taken: enough to keep a fast consumer busy for a turn of the
// event loop, and little beside what the operating system buffers itself.
const highWaterMessages = 1024
const highWaterBytes = 1024 * 1024

/** What stops and resumes the reading of the transport. */
export interface Flow {
  readonly pause: () => void
  readonly resume: () => void
}

export interface ReceiveBuffer {
  /**
   * What is offered between these two came in one read. It is handed over so many messages at a time, and the rest at
   * the end of the read.
   */
  readonly unsafeBeginRead: (part: number) => void
  readonly unsafeEndRead: () => void
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** The first end counts. What was received before it is handed over before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly receive: Socket["receive"]
  /** Calls back with the end, whether or not everything before it was handed over. Gives back what stops that. */
  readonly onEnd: (hear: (end: Exit.Exit<never, SocketError>) => void) => () => void
  readonly isEnded: () => boolean
}

// Who takes what arrives.
type Receiver =
  /** Nobody: no fibre is in `receive`, or its handler is at work. Messages are held. */
  | { readonly _tag: "Away" }
  /** A fibre waits, and its handler is called with each batch. */
  | { readonly _tag: "Waiting"; readonly handOver: () => void; readonly handOverLater: () => void }

const away: Receiver = { _tag: "Away" }

export const make = (flow: Flow): ReceiveBuffer => {
  let receiver: Receiver = away
  let messages: Array<Message> = []
  let bytes = 0
  // Of the read that is going on, if one is.
  let part: number | undefined
  let end: Exit.Exit<never, SocketError> | undefined
  const endListeners = new Set<(end: Exit.Exit<never, SocketError>) => void>()

  // The transport is paused exactly while this holds.
  const isFull = () => messages.length >= highWaterMessages || bytes >= highWaterBytes

  const hold = (message: Message, size: number) => {
    const wasFull = isFull()
    messages.push(message)
    bytes += size
    if (!wasFull && isFull()) flow.pause()
  }

  const take = (): ReadonlyArray<Message> => {
    const wasFull = isFull()
    const taken = messages
    messages = []
    bytes = 0
    if (wasFull) flow.resume()
    return taken
  }

  const receive: Socket["receive"] = <E>(
    handler: (batch: NonEmptyReadonlyArray<Message>) => Effect.Effect<void, E> | void
  ) => {
    const handle = (batch: ReadonlyArray<Message>): Effect.Effect<void, E> | void => {
      try {
        if (isNonEmptyReadonlyArray(batch)) return handler(batch)
      } catch (defect) {
        return Effect.die(defect)
      }
    }
    // Waits until the handler gives back an effect, and runs it.
    const next = Effect.withFiberRuntime<void, SocketError | E>((fiber) =>
      Effect.async((resume) => {
        const handOver = () => {
          if (receiver !== waiting) return
          receiver = away
          const work = handle(take())
          if (work !== undefined) resume(work)
          else if (messages.length === 0 && end !== undefined) resume(end)
          else {
            receiver = waiting
            // The handler itself may have made more arrive.
            if (messages.length > 0) handOverLater()
          }
        }
        const handOverLater = () => {
          fiber.currentScheduler.scheduleTask(handOver, fiber.getFiberRef(FiberRef.currentSchedulingPriority), fiber)
        }
        const waiting = receiver = { _tag: "Waiting", handOver, handOverLater }
        handOver()
        return Effect.sync(() => {
          if (receiver === waiting) receiver = away
        })
      })
    )
    const loop: Effect.Effect<never, SocketError | E> = Effect.flatMap(next, () => loop)
    return loop
  }

  return {
    unsafeBeginRead: (size) => {
      part = size
    },
    unsafeEndRead: () => {
      part = undefined
      if (receiver._tag === "Waiting" && messages.length > 0) receiver.handOver()
    },
    unsafeOffer: (message, size) => {
      if (end !== undefined) return
      hold(message, size)
      if (receiver._tag === "Away") return
      if (part === undefined) {
        if (messages.length === 1) receiver.handOverLater()
      } else if (messages.length >= part) receiver.handOver()
    },
    unsafeEnd: (error) => {
      if (end !== undefined) return
      end = Exit.fail(error)
      if (receiver._tag === "Waiting") receiver.handOverLater()
      for (const hear of endListeners) hear(end)
      endListeners.clear()
    },
    receive,
    onEnd: (hear) => {
      if (end === undefined) endListeners.add(hear)
      else hear(end)
      return () => {
        endListeners.delete(hear)
      }
    },
    isEnded: () => end !== undefined
  }
}
