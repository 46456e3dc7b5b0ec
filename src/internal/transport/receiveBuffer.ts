// Holds the messages that a socket has received until `receive` takes them: the reading half of every transport.
//
//   event         while Idle           while Waiting
//   a message     held                 held; during a read, deliver once maxBatch are held; else, deliver later
//   a read ends   –                    deliver
//   the end       kept                 deliver later
//   receive       becomes Waiting,     –
//                 then: deliver
//
// To deliver is to become Idle, call the handler with all held messages, and become Waiting again. If the handler returns
// an effect, the fibre in `receive` wakes, runs it, and receives again. If no message is held and the socket has ended, the
// fibre wakes to fail. Otherwise it does not wake: at low rates that would cost more than all the rest. "Later" means after
// the callbacks of this turn of the event loop, so that their messages become one batch.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type { Message, Socket, SocketError } from "../../Transport.ts"

/** Stops and resumes the reading of the transport. */
export interface Flow {
  readonly pause: () => void
  readonly resume: () => void
}

/** The transport is paused while the held messages reach either of these. */
export interface HighWater {
  readonly messages: number
  readonly bytes: number
}

// Enough to keep a fast reader busy for a turn of the event loop, and little compared with the operating system's buffers.
const oneTurn: HighWater = { messages: 1024, bytes: 1024 * 1024 }

export interface ReceiveBuffer {
  /** Begins a read of the transport. Its messages are delivered in batches of up to `maxBatch`, the rest when it ends. */
  readonly unsafeBeginRead: (maxBatch: number) => void
  readonly unsafeEndRead: () => void
  /** Adds a message of this size. Messages after the end are ignored. */
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** Ends the socket. Only the first end counts. Held messages are delivered before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly receive: Socket["receive"]
  /** Calls `listener` as soon as the socket ends, even while messages are held. Returns a function that removes it. */
  readonly onEnd: (listener: (end: End) => void) => () => void
  readonly isEnded: () => boolean
}

type End = Exit.Exit<never, SocketError>

type Handler<E> = (batch: NonEmptyReadonlyArray<Message>) => Effect.Effect<void, E> | void

type Receiver =
  /** No fibre is in `receive`, or its handler runs. */
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Waiting"; readonly deliver: () => void; readonly deliverLater: () => void }

const idle: Receiver = { _tag: "Idle" }

const runHandler = <E>(handler: Handler<E>, batch: ReadonlyArray<Message>): Effect.Effect<void, E> | void => {
  if (!isNonEmptyReadonlyArray(batch)) return
  try {
    return handler(batch)
  } catch (defect) {
    return Effect.die(defect)
  }
}

export const make = (flow: Flow, highWater: HighWater = oneTurn): ReceiveBuffer => {
  let receiver: Receiver = idle
  let messages: Array<Message> = []
  let bytes = 0
  // Set during a read.
  let maxBatch: number | undefined
  let end: End | undefined
  const endListeners = new Set<(end: End) => void>()

  // The transport is paused exactly while this is true.
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
        let isStopped = false
        const deliver = () => {
          if (receiver !== waiting) return
          receiver = idle
          const effect = runHandler(handler, take())
          // The handler itself may have made another fibre interrupt this one.
          if (isStopped) return
          if (effect !== undefined) wake(effect)
          else if (messages.length === 0 && end !== undefined) wake(end)
          else {
            receiver = waiting
            // The handler itself may have made messages arrive.
            if (messages.length > 0) deliverLater()
          }
        }
        const deliverLater = () => {
          fiber.currentScheduler.scheduleTask(deliver, fiber.getFiberRef(FiberRef.currentSchedulingPriority), fiber)
        }
        const waiting: Receiver = { _tag: "Waiting", deliver, deliverLater }
        receiver = waiting
        deliver()
        return Effect.sync(() => {
          isStopped = true
          if (receiver === waiting) receiver = idle
        })
      })
    )
    const receiveForever: Effect.Effect<never, SocketError | E> = Effect.flatMap(receiveOnce, () => receiveForever)
    return receiveForever
  }

  return {
    unsafeBeginRead: (most) => {
      maxBatch = most
    },
    unsafeEndRead: () => {
      maxBatch = undefined
      if (receiver._tag === "Waiting" && messages.length > 0) receiver.deliver()
    },
    unsafeOffer: (message, size) => {
      if (end !== undefined) return
      hold(message, size)
      if (receiver._tag === "Idle") return
      if (maxBatch !== undefined && messages.length >= maxBatch) receiver.deliver()
      else if (maxBatch === undefined && messages.length === 1) receiver.deliverLater()
    },
    unsafeEnd: (error) => {
      if (end !== undefined) return
      end = Exit.fail(error)
      if (receiver._tag === "Waiting") receiver.deliverLater()
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
