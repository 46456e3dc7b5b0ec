// The messages that a socket has received and nobody has taken yet: the reading half of every transport.
//
//                 Away                 Waiting
//   a message     is held              is held; later, or at the end of its part of a read: hand over
//   a read ends   –                    hand over
//   the end       is kept              later: hand over
//   receive       becomes Waiting,     –
//                 then: hand over
//
// To hand over: be Away, call the handler with all that is held, and be Waiting again. When the handler gives back an
// effect, the fibre in `receive` wakes, runs it, and receives again; when nothing is held and the socket has ended, the
// fibre wakes to fail. For a batch that keeps nobody waiting it does not wake: at low rates that would cost more than all
// the rest. "Later" is when the callbacks of this turn of the event loop have run, so that they make one batch.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type { Message, Socket, SocketError } from "../../Transport.ts"

/** Stops and restarts the reading of the transport. */
export interface Flow {
  readonly pause: () => void
  readonly resume: () => void
}

/** While either of these is held, or more, the transport is paused. */
export interface HighWater {
  readonly messages: number
  readonly bytes: number
}

// Enough to keep a fast consumer busy for a turn of the event loop, and little beside what the operating system buffers.
const oneTurn: HighWater = { messages: 1024, bytes: 1024 * 1024 }

export interface ReceiveBuffer {
  /** A read of the transport begins. Its messages are handed over in parts of so many, and the rest when it ends. */
  readonly unsafeBeginRead: (part: number) => void
  readonly unsafeEndRead: () => void
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** The first end counts. What was received before it is handed over before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly receive: Socket["receive"]
  /** Calls back with the end, at once, whatever is held. Gives back what stops that. */
  readonly onEnd: (listener: (end: End) => void) => () => void
  readonly isEnded: () => boolean
}

type End = Exit.Exit<never, SocketError>

type Handler<E> = (batch: NonEmptyReadonlyArray<Message>) => Effect.Effect<void, E> | void

type Receiver =
  /** No fibre is in `receive`, or its handler is at work. */
  | { readonly _tag: "Away" }
  | { readonly _tag: "Waiting"; readonly handOver: () => void; readonly handOverLater: () => void }

const away: Receiver = { _tag: "Away" }

const handle = <E>(handler: Handler<E>, batch: ReadonlyArray<Message>): Effect.Effect<void, E> | void => {
  if (!isNonEmptyReadonlyArray(batch)) return
  try {
    return handler(batch)
  } catch (defect) {
    return Effect.die(defect)
  }
}

export const make = (flow: Flow, highWater: HighWater = oneTurn): ReceiveBuffer => {
  let receiver: Receiver = away
  let messages: Array<Message> = []
  let bytes = 0
  // Set while a read goes on.
  let part: number | undefined
  let end: End | undefined
  const endListeners = new Set<(end: End) => void>()

  // The transport is paused exactly while this holds.
  const isFull = () => messages.length >= highWater.messages || bytes >= highWater.bytes

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

  const receive = <E>(handler: Handler<E>): Effect.Effect<never, SocketError | E> => {
    const receiveOnce = Effect.withFiberRuntime<void, SocketError | E>((fiber) =>
      Effect.async((wake) => {
        const handOver = () => {
          if (receiver !== waiting) return
          receiver = away
          const work = handle(handler, take())
          if (work !== undefined) wake(work)
          else if (messages.length === 0 && end !== undefined) wake(end)
          else {
            receiver = waiting
            // What the handler did may have brought more.
            if (messages.length > 0) handOverLater()
          }
        }
        const handOverLater = () => {
          fiber.currentScheduler.scheduleTask(handOver, fiber.getFiberRef(FiberRef.currentSchedulingPriority), fiber)
        }
        const waiting: Receiver = { _tag: "Waiting", handOver, handOverLater }
        receiver = waiting
        handOver()
        return Effect.sync(() => {
          if (receiver === waiting) receiver = away
        })
      })
    )
    const receiveOn: Effect.Effect<never, SocketError | E> = Effect.flatMap(receiveOnce, () => receiveOn)
    return receiveOn
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
      if (part !== undefined && messages.length >= part) receiver.handOver()
      else if (part === undefined && messages.length === 1) receiver.handOverLater()
    },
    unsafeEnd: (error) => {
      if (end !== undefined) return
      end = Exit.fail(error)
      if (receiver._tag === "Waiting") receiver.handOverLater()
      for (const listener of endListeners) listener(end)
      endListeners.clear()
    },
    receive,
    onEnd: (listener) => {
      if (end === undefined) endListeners.add(listener)
      else listener(end)
      return () => {
        endListeners.delete(listener)
      }
    },
    isEnded: () => end !== undefined
  }
}
