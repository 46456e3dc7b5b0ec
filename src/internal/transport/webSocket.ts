// Dials with the WHATWG WebSocket (https://websockets.spec.whatwg.org), which hides most of the protocol.
//
// The constructor may be any that resembles it, such as the one of `ws`. Nothing that it does may throw out of an event
// listener or end the process: listeners for all events stay until the socket is garbage.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import { ConnectionClosed, DialFailed, MessageTooLarge, SendFailed } from "../../ConnectionError.ts"
import type { DialRequest, Message, Socket } from "../../Transport.ts"
import { contentOf, numberOf, textOf, troubleOf } from "./eventData.ts"
import type { Content, Trouble } from "./eventData.ts"
import { handshakeFault } from "./handshakeFault.ts"
import * as ReceiveBuffer from "./receiveBuffer.ts"
import { parseUrl } from "./url.ts"
import { violations } from "./violations.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import { within } from "../time/timeout.ts"

type WebSocket = globalThis.WebSocket

type Construct = (url: string, protocols?: string | Array<string>) => WebSocket

// The values of readyState. A custom constructor may lack these constants.
const connecting = 0
const open = 1
const closed = 3

const encoder = new TextEncoder()

const sizeOf = (message: Message) => typeof message === "string" ? encoder.encode(message).length : message.byteLength

// `ws` reports a message that is larger than its own limit like this.
const tooLarge = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"

// Runs a function, and returns whether it threw.
const throws = (run: () => void): boolean => {
  try {
    run()
    return false
  } catch {
    return true
  }
}

// `ws` has it.
const canTerminate = (ws: unknown): ws is { readonly terminate: () => void } =>
  Predicate.hasProperty(ws, "terminate") && typeof ws.terminate === "function"

// Drops a socket, at once where its object can. `close` does nothing when the socket is closing already.
const drop = (ws: WebSocket): void => {
  throws(() => {
    if (canTerminate(ws)) ws.terminate()
    else ws.close()
  })
}

// Starts the closing handshake. A platform refuses most codes below 3000, and long reasons: then the close frame has neither.
const startClosing = (ws: WebSocket, code: number, reason: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const isRefused = throws(() => {
      ws.close(code, reason)
    })
    if (!isRefused) return Effect.void
    if (throws(() => {
      ws.close()
    })) drop(ws)
    return Effect.logWarning(`The platform's WebSocket refused to close with code ${code}, so the peer gets no code.`)
  })

// An error's text may quote what it was given, and a URL or a subprotocol may be secret.
const isSafe = (text: string, { password, pathname, search, username }: URL, protocols: ReadonlyArray<string>) =>
  !text.includes("://") &&
  ![pathname.slice(1), search, username, password, ...protocols].some((part) => part !== "" && text.includes(part))

const refusedWithout = "the platform's WebSocket does not say why"

// What a dial has come to. Listeners fill it in: the events may come before anything waits for them.
interface Opening {
  readonly settle: (outcome: Effect.Effect<void, DialFailed>) => void
  readonly outcome: Effect.Effect<void, DialFailed>
  readonly isSettled: () => boolean
}

const makeOpening = (): Opening => {
  let settled: Effect.Effect<void, DialFailed> | undefined
  let wake = (_: Effect.Effect<void, DialFailed>) => {}
  return {
    settle: (outcome) => {
      if (settled !== undefined) return
      settled = outcome
      wake(outcome)
    },
    outcome: Effect.async((resume) => {
      if (settled === undefined) wake = resume
      else resume(settled)
    }),
    isSettled: () => settled !== undefined
  }
}

export const dialWith = (construct: Construct) =>
  Effect.fnUntraced(function*(request: DialRequest) {
    const url = yield* parseUrl(request.url)
    const { closeTimeout, maxMessageBytes, protocols } = request
    if (Object.keys(request.headers).length > 0) {
      return yield* new DialFailed({
        code: "UNSUPPORTED_HEADERS",
        reason: "this transport cannot send headers with the upgrade"
      })
    }
    const clock = yield* Effect.clock
    // The WHATWG WebSocket cannot be paused: the buffer holds all messages until they are received.
    const buffer = ReceiveBuffer.make({ pause: () => undefined, resume: () => undefined })
    const opening = makeOpening()
    let received = 0
    let sent = 0
    let openedAt = monotonicMillis(clock)
    // Completes when all messages so far are in the buffer. Undefined unless one of them is still being read.
    let reading: Promise<void> | undefined

    const end = (code: number, reason: string) => {
      const openFor = Duration.millis(monotonicMillis(clock) - openedAt)
      buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor }))
    }

    // Runs at once, or after the messages that are still being read: whatever comes later must not overtake them.
    const inOrder = (run: () => void | Promise<void>) => {
      if (reading === undefined) {
        const pending = run()
        if (pending === undefined) return
        reading = pending
      } else {
        reading = reading.then(run)
      }
      const last = reading
      void last.then(() => {
        if (reading === last) reading = undefined
      })
    }

    const offer = (message: Message) => {
      const size = sizeOf(message)
      received += size
      if (size <= maxMessageBytes) buffer.unsafeOffer(message, size)
      else buffer.unsafeEnd(new MessageTooLarge({ limit: maxMessageBytes }))
    }

    const take = (content: Content): void | Promise<void> => {
      if (buffer.isEnded()) return
      switch (content._tag) {
        case "Ready":
          offer(content.message)
          return
        case "Later":
          if (content.size > maxMessageBytes) {
            buffer.unsafeEnd(new MessageTooLarge({ limit: maxMessageBytes }))
            return
          }
          return content.read().then(offer, () => {
            end(1006, "a message could not be read")
          })
        case "Unknown":
          end(1003, "the platform's WebSocket gave a message of an unknown kind")
      }
    }

    const failure = ({ code, reason }: Trouble) =>
      new DialFailed({
        code: code ?? handshakeFault(reason) ?? "ERR_WEBSOCKET",
        reason: reason !== "" && isSafe(reason, url, protocols) ? reason : refusedWithout
      })

    // After an error, the socket is of no use. A `close` event should follow, and say more; some objects have none.
    const fail = (ws: WebSocket, { code = "", reason }: Trouble) => {
      const violation = code === tooLarge ? 1009 : violations[code]
      if (violation !== undefined) {
        inOrder(() => {
          end(violation, isSafe(reason, url, protocols) ? reason : "")
        })
        return
      }
      const waiting = Effect.runFork(Effect.map(clock.sleep(closeTimeout), () => {
        drop(ws)
        end(1006, "")
      }))
      buffer.onEnd(() => {
        waiting.unsafeInterruptAsFork(FiberId.none)
      })
    }

    const listen = (ws: WebSocket) => {
      ws.addEventListener("open", () => {
        openedAt = monotonicMillis(clock)
        opening.settle(Effect.void)
      })
      ws.addEventListener("message", ({ data }: { readonly data: unknown }) => {
        inOrder(() => take(contentOf(data)))
      })
      ws.addEventListener("error", (event) => {
        if (!opening.isSettled()) opening.settle(failure(troubleOf(event)))
        else if (!buffer.isEnded()) fail(ws, troubleOf(event))
      })
      ws.addEventListener("close", (event: { readonly code: unknown; readonly reason: unknown }) => {
        // Deno says 0 where no close frame came.
        const code = numberOf(event.code, 0) || 1006
        opening.settle(failure({ code: undefined, reason: `closed with code ${code} before it opened` }))
        inOrder(() => {
          end(code, textOf(event.reason))
        })
      })
      // A Blob has to be read asynchronously.
      throws(() => {
        ws.binaryType = "arraybuffer"
      })
    }

    const closeSocket = (ws: WebSocket, code: number, reason: string) =>
      Effect.async<void>((resume) => {
        const done = () => {
          resume(Effect.void)
        }
        ws.addEventListener("close", done)
        if (ws.readyState === closed) done()
        return Effect.sync(() => {
          ws.removeEventListener("close", done)
        })
      }).pipe(
        (closing) => Effect.suspend(() => ws.readyState === closed ? Effect.void : Effect.zipRight(startClosing(ws, code, reason), closing)),
        Effect.interruptible,
        within(closeTimeout, () => undefined),
        // The deadline passed.
        Effect.catchAllCause(() => Effect.sync(() => {
          drop(ws)
        })),
        Effect.zipRight(Effect.sync(() => {
          end(1006, "")
        }))
      )

    const create = Effect.try({
      try: () => {
        const ws = construct(url.href, [...protocols])
        if (throws(() => {
          listen(ws)
        })) {
          drop(ws)
          throw new TypeError()
        }
        return ws
      },
      catch: (error) => {
        const { message, name } = error instanceof Error ? error : new Error()
        const reason = message !== "" && isSafe(message, url, protocols) ? message : `the platform's WebSocket refused it with ${name}`
        return new DialFailed({ code: "ERR_INVALID_REQUEST", reason })
      }
    })

    const ws = yield* Effect.acquireRelease(create, (ws) =>
      Effect.suspend(() => {
        if (ws.readyState !== connecting) return closeSocket(ws, 1000, "")
        drop(ws)
        return Effect.void
      }))
    yield* opening.outcome

    const unsent = () => numberOf(ws.bufferedAmount, 0)
    const socket: Socket = {
      protocol: textOf(ws.protocol),
      headers: {},
      progress: () => ({ received, control: 0, sent: sent - unsent(), unsent: unsent() }),
      receive: buffer.receive,
      send: (message) =>
        Effect.suspend(() => {
          if (ws.readyState !== open || buffer.isEnded()) return new SendFailed({ reason: "the socket has ended" })
          if (throws(() => {
            ws.send(message)
          })) return new SendFailed({ reason: "the platform's WebSocket refused the message" })
          sent += sizeOf(message)
          return Effect.void
        }),
      ping: Effect.never,
      close: (code = 1000, reason = "") => closeSocket(ws, code, reason),
      terminate: Effect.sync(() => {
        drop(ws)
        end(1006, "")
      })
    }
    return socket
  })
