// Dials with the WHATWG WebSocket (https://websockets.spec.whatwg.org), which hides most of the protocol.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionClosed, DialFailed, MessageTooLarge, SendFailed } from "../../ConnectionError.ts"
import type { DialRequest, Message, Socket } from "../../Transport.ts"
import * as ReceiveBuffer from "./receiveBuffer.ts"
import { parseUrl } from "./url.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import { within } from "../time/timeout.ts"

type Construct = (url: string, protocols?: string | Array<string>) => globalThis.WebSocket

// The values of readyState. A custom constructor may lack these constants.
const connecting = 0
const open = 1
const closed = 3

const encoder = new TextEncoder()

const sizeOf = (message: Message) => typeof message === "string" ? encoder.encode(message).length : message.byteLength

export const dialWith = (construct: Construct) =>
  Effect.fnUntraced(function*(request: DialRequest) {
    const url = yield* parseUrl(request.url)
    if (Object.keys(request.headers).length > 0) {
      return yield* new DialFailed({
        code: "UNSUPPORTED_HEADERS",
        reason: "this transport cannot send headers with the upgrade"
      })
    }
    const clock = yield* Effect.clock
    // The WHATWG WebSocket cannot be paused: the buffer holds all messages until they are received.
    const buffer = ReceiveBuffer.make({ pause: () => undefined, resume: () => undefined })
    let received = 0
    let sent = 0
    let openedAt = monotonicMillis(clock)

    const end = (code: number, reason: string) => {
      const openFor = Duration.millis(monotonicMillis(clock) - openedAt)
      buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor }))
    }

    const listen = (ws: globalThis.WebSocket) => {
      // A Blob has to be read asynchronously, and later messages could overtake it.
      ws.binaryType = "arraybuffer"
      ws.addEventListener("open", () => {
        openedAt = monotonicMillis(clock)
      })
      ws.addEventListener("message", ({ data }: { readonly data: unknown }) => {
        const message = typeof data === "string" ? data : data instanceof ArrayBuffer ? new Uint8Array(data) : undefined
        if (message === undefined || buffer.isEnded()) return
        const size = sizeOf(message)
        received += size
        if (size <= request.maxMessageBytes) {
          buffer.unsafeOffer(message, size)
          return
        }
        buffer.unsafeEnd(new MessageTooLarge({ limit: request.maxMessageBytes }))
      })
      ws.addEventListener("close", ({ code, reason }) => {
        // Deno gives 0 where there was no close frame; the code for that is 1006 (RFC 6455 §7.1.5).
        end(code === 0 ? 1006 : code, reason)
      })
    }

    const close = (ws: globalThis.WebSocket, code: number, reason: string) =>
      Effect.async<void>((resume) => {
        if (ws.readyState === closed) {
          resume(Effect.void)
          return
        }
        ws.addEventListener("close", () => {
          resume(Effect.void)
        }, { once: true })
        ws.close(code, reason)
      }).pipe(
        Effect.interruptible,
        within(request.closeTimeout, () => undefined),
        // After the deadline, or if the code or reason may not be sent, the socket can only be abandoned.
        Effect.catchAllCause(() => Effect.void),
        Effect.zipRight(Effect.sync(() => {
          end(1006, "")
        }))
      )

    const ws = yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          const ws = construct(url.href, [...request.protocols])
          listen(ws)
          return ws
        },
        catch: (error) =>
          new DialFailed({ code: "ERR_INVALID_REQUEST", reason: error instanceof Error ? error.name : "refused" })
      }),
      (ws) =>
        ws.readyState === connecting
          ? Effect.sync(() => {
            ws.close()
          })
          : close(ws, 1000, "")
    )

    yield* Effect.async<void, DialFailed>((resume) => {
      ws.addEventListener("open", () => {
        resume(Effect.void)
      }, { once: true })
      ws.addEventListener("error", () => {
        resume(new DialFailed({ code: "ERR_WEBSOCKET", reason: "the platform's WebSocket does not say why" }))
      }, { once: true })
      ws.addEventListener("close", ({ code }) => {
        resume(new DialFailed({ code: "ERR_WEBSOCKET", reason: `closed with code ${code} before it opened` }))
      }, { once: true })
    })

    const terminate = Effect.sync(() => {
      ws.close()
      end(1006, "")
    })

    const socket: Socket = {
      protocol: ws.protocol,
      headers: {},
      progress: () => ({ received, control: 0, sent: sent - ws.bufferedAmount, unsent: ws.bufferedAmount }),
      receive: buffer.receive,
      send: (message) =>
        Effect.suspend(() => {
          if (ws.readyState !== open) return new SendFailed({ reason: "the socket has ended" })
          sent += sizeOf(message)
          ws.send(message)
          return Effect.void
        }),
      ping: Effect.never,
      close: (code = 1000, reason = "") => close(ws, code, reason),
      terminate
    }
    return socket
  })
