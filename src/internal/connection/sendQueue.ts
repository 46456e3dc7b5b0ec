// Sends messages in the order in which they were issued.
//
// Sends with a deadline may wait for an open connection. Whoever finds one first, the earliest of them or a send that is
// issued then, hands all that wait to the socket in the same turn, in order. A socket that refuses a message at once has
// ended, though its connection may last until its reader has taken the messages before the end. What has a deadline waits
// for the next socket then.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type { NotConnected, SendError, SendFailed } from "../../ConnectionError.ts"
import { SendTimeout } from "../../ConnectionError.ts"
import type { Message, Socket } from "../../Transport.ts"
import { within } from "../time/timeout.ts"

export interface Options {
  /** The socket of the open connection. */
  readonly socket: () => Socket | undefined
  /** Waits for an open connection with a socket other than `ended`. */
  readonly awaitSocket: (ended: Socket | undefined) => Effect.Effect<void, NotConnected>
  readonly notConnected: Effect.Effect<never, NotConnected>
}

interface Send {
  readonly message: Message
  readonly runtime: Runtime.Runtime<never>
  /** The fibre that writes the message. `undefined` while the send waits. */
  write: Fiber.RuntimeFiber<void, SendFailed> | undefined
}

// Begins to write in this turn. Returns false if the socket refuses at once.
const begin = (send: Send, socket: Socket): boolean => {
  const write = Runtime.runFork(send.runtime)(socket.send(send.message))
  const exit = write.unsafePoll()
  if (exit !== null && Exit.isFailure(exit) && Cause.isFailure(exit.cause)) return false
  send.write = write
  return true
}

export class SendQueue {
  readonly #options: Options
  // Made by the first send with a deadline.
  #waiting: Array<Send> | undefined
  #ended: Socket | undefined

  constructor(options: Options) {
    this.#options = options
  }

  send(message: Message, deadline: Duration.DurationInput | undefined): Effect.Effect<void, SendError> {
    return Effect.suspend(() => {
      if (deadline !== undefined) return this.#sendWithin(message, Duration.decode(deadline))
      const socket = this.#options.socket()
      if (socket === undefined) return this.#options.notConnected
      this.#beginAll(socket)
      return socket.send(message)
    })
  }

  #sendWithin(message: Message, after: Duration.Duration): Effect.Effect<void, SendError> {
    return Effect.flatMap(Effect.runtime(), (runtime) =>
      Effect.acquireUseRelease(
        Effect.sync(() => this.#join({ message, runtime, write: undefined })),
        (send): Effect.Effect<void, SendError> =>
          send.write?.unsafePoll() ?? within(
            after,
            () => new SendTimeout({ after, stage: send.write === undefined ? "open" : "write" })
          )(this.#settle(send)),
        (send) =>
          Effect.sync(() => {
            this.#leave(send)
          })
      ))
  }

  #join(send: Send): Send {
    const waiting = this.#waiting ??= []
    waiting.push(send)
    this.#beginAll(this.#options.socket())
    return send
  }

  #leave(send: Send): void {
    const position = this.#waiting?.indexOf(send) ?? -1
    if (position >= 0) this.#waiting?.splice(position, 1)
    send.write?.unsafeInterruptAsFork(FiberId.none)
  }

  #settle(send: Send): Effect.Effect<void, NotConnected | SendFailed> {
    return Effect.suspend(() =>
      send.write === undefined
        ? Effect.flatMap(this.#options.awaitSocket(this.#ended), () => {
          this.#beginAll(this.#options.socket())
          return this.#settle(send)
        })
        : Effect.flatten(Fiber.await(send.write))
    )
  }

  #beginAll(socket: Socket | undefined): void {
    if (socket === undefined || socket === this.#ended) return
    this.#ended = undefined
    for (let next = this.#waiting?.[0]; next !== undefined; next = this.#waiting?.[0]) {
      if (!begin(next, socket)) {
        this.#ended = socket
        return
      }
      this.#waiting?.shift()
    }
  }
}
