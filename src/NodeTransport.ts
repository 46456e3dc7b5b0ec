/**
 * The transport for Node, on `ws`: the same on every Node version, with ping frames, the status of a refused upgrade,
 * TCP backpressure and an immediate terminate, none of which the WHATWG `WebSocket` shows.
 *
 * TLS certificates are verified; private authorities are added with Node's own `NODE_EXTRA_CA_CERTS`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import { WebSocket } from "ws"
import { ConnectionClosed, DialFailed, HandshakeRejected, MessageTooLarge, SendFailed } from "./ConnectionError.ts"
import * as ReceiveBuffer from "./internal/transport/receiveBuffer.ts"
import * as RetryAfter from "./internal/transport/retryAfter.ts"
import { parseUrl } from "./internal/transport/url.ts"
import { onReads, partOf } from "./internal/transport/wsReads.ts"
import { within } from "./internal/time/timeout.ts"
import type { DialRequest, Socket, SocketError } from "./Transport.ts"
import { Transport } from "./Transport.ts"

// As much of a refusal's body as an error shows, and as long as it is waited for.
const bodyLimit = 512
const bodyTimeout = Duration.seconds(1)

const codeOf = (error: Error, fallback: string): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : fallback

// What `ws` found wrong with what the peer sent, as the close code that RFC 6455 §7.4.1 has for it.
const violations: Readonly<Record<string, number>> = {
  WS_ERR_EXPECTED_FIN: 1002,
  WS_ERR_EXPECTED_MASK: 1002,
  WS_ERR_INVALID_CLOSE_CODE: 1002,
  WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: 1002,
  WS_ERR_INVALID_OPCODE: 1002,
  WS_ERR_UNEXPECTED_MASK: 1002,
  WS_ERR_UNEXPECTED_RSV_1: 1002,
  WS_ERR_UNEXPECTED_RSV_2_3: 1002,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009
}

// What is shorter is no secret.
const shortestSecret = 6

// Servers like to quote what they refuse, and what was asked for may be a secret.
const withoutSecrets = (body: string, url: URL, headers: Readonly<Record<string, string>>): string => {
  const path = `${url.pathname}${url.search}`
  const secrets = [
    path,
    ...path.split(/[/?&=]/),
    ...url.searchParams.values(),
    url.username,
    url.password,
    ...Object.values(headers),
    ...Object.values(headers).flatMap((value) => value.split(" "))
  ].filter(({ length }) => length >= shortestSecret)
  return secrets.sort((a, b) => b.length - a.length).reduce((text, secret) => text.replaceAll(secret, "…"), body)
}

const rejection = (
  response: IncomingMessage,
  url: URL,
  headers: Readonly<Record<string, string>>
): Effect.Effect<never, HandshakeRejected> => {
  const chunks: Array<Buffer> = []
  const body = Effect.async<void>((resume) => {
    const done = () => {
      resume(Effect.void)
    }
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      if (chunks.reduce((size, { length }) => size + length, 0) >= bodyLimit) done()
    })
    response.on("end", done)
    response.on("error", done)
    response.on("close", done)
  })
  return Effect.flatMap(
    Effect.zipRight(Effect.ignore(within(bodyTimeout, () => undefined)(body)), Clock.currentTimeMillis),
    (now) =>
      new HandshakeRejected({
        status: response.statusCode ?? 0,
        retryAfter: RetryAfter.parse(response.headers["retry-after"], now),
        body: withoutSecrets(Buffer.concat(chunks).subarray(0, bodyLimit).toString().trim(), url, headers)
      })
  )
}

const replaced = /\uFFFD/

// Fills a buffer with what a new socket says, and ends it when the socket ends.
const listen = (ws: WebSocket, clock: Clock.Clock, maxMessageBytes: number): ReceiveBuffer.ReceiveBuffer => {
  const buffer = ReceiveBuffer.make({
    pause: () => {
      ws.pause()
    },
    resume: () => {
      ws.resume()
    }
  })
  let openedAt = clock.unsafeCurrentTimeMillis()
  let errno: string | undefined

  const end = (code: number, reason: string) => {
    const openFor = Duration.millis(clock.unsafeCurrentTimeMillis() - openedAt)
    buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor, errno }))
  }

  ws.once("upgrade", ({ socket }) => {
    // `ws` keeps the errors of an open socket to itself.
    socket.on("error", (error) => {
      errno = codeOf(error, error.message)
    })
    ws.once("open", () => {
      openedAt = clock.unsafeCurrentTimeMillis()
    })
  })
  onReads(ws, {
    begin: (bytes) => {
      buffer.unsafeBeginRead(partOf(bytes))
    },
    end: buffer.unsafeEndRead
  })
  ws.on("message", (data, isBinary) => {
    if (!Buffer.isBuffer(data)) return
    const message = isBinary ? data : data.toString()
    // Bytes that are no characters come out as this one (RFC 6455 §8.1): only a text that has it is looked at twice.
    if (typeof message === "string" && replaced.test(message) && !isUtf8(data)) {
      end(1007, "invalid UTF-8 sequence")
      ws.close(1007)
      return
    }
    buffer.unsafeOffer(message, data.length)
  })
  // It stays for good: `ws` also emits an error when a dial is given up, and unheard that would end the process.
  ws.on("error", (error) => {
    const code = codeOf(error, "")
    const violation = violations[code]
    if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
      buffer.unsafeEnd(new MessageTooLarge({ limit: maxMessageBytes }))
    } else if (violation !== undefined) {
      end(violation, error.message)
    }
  })
  ws.on("close", (code, reason) => {
    end(code, reason.toString())
  })
  return buffer
}

const opened = (ws: WebSocket, url: URL, headers: Readonly<Record<string, string>>) =>
  Effect.async<void, DialFailed | HandshakeRejected>((resume) => {
    const settle = (outcome: Effect.Effect<void, DialFailed | HandshakeRejected>) => {
      // What is left listening would keep all of the dial in memory.
      ws.off("open", open).off("unexpected-response", refused).off("error", failed)
      resume(outcome)
    }
    const open = () => {
      settle(Effect.void)
    }
    const refused = (_: unknown, response: IncomingMessage) => {
      settle(rejection(response, url, headers))
    }
    const failed = (error: Error) => {
      settle(new DialFailed({ code: codeOf(error, "ERR_HANDSHAKE"), reason: error.message }))
    }
    ws.on("open", open).on("unexpected-response", refused).on("error", failed)
  })

const terminate = (ws: WebSocket) =>
  Effect.sync(() => {
    ws.terminate()
  })

const sayGoodbye = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.async<void>((resume) => {
    const done = () => {
      resume(Effect.void)
    }
    ws.once("close", done)
    // Nobody receives any more, but the close frame lies behind whatever is still coming.
    ws.removeAllListeners("message")
    ws.resume()
    ws.close(code, reason)
    return Effect.sync(() => {
      ws.off("close", done)
    })
  }).pipe(
    Effect.interruptible,
    within(closeTimeout, () => undefined),
    // Late, or the code is one that may not be sent: either way this socket is done with.
    Effect.catchAllCause(() => terminate(ws))
  )

const closePolitely = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.suspend(() => ws.readyState === WebSocket.CLOSED ? Effect.void : sayGoodbye(ws, closeTimeout, code, reason))

// While it is connecting there is nobody to be polite to.
const release = (ws: WebSocket, closeTimeout: Duration.Duration) =>
  Effect.suspend(() =>
    ws.readyState === WebSocket.CONNECTING ? terminate(ws) : closePolitely(ws, closeTimeout, 1000, "")
  )

const dial = Effect.fnUntraced(function*({ closeTimeout, maxMessageBytes, protocols, ...request }: DialRequest) {
  const url = yield* parseUrl(request.url)
  const clock = yield* Effect.clock
  const scope = yield* Effect.scope
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Redacted.value(value)])
  )

  const create = Effect.try({
    try: () => {
      const ws = new WebSocket(url, [...protocols], {
        headers,
        maxPayload: maxMessageBytes,
        // Compression costs memory per socket and time per message, and market data comes in small messages.
        perMessageDeflate: false,
        // It is done here, for less.
        skipUTF8Validation: true
      })
      // At once: the first messages may come in the same packet as the answer to the upgrade.
      return { ws, buffer: listen(ws, clock, maxMessageBytes) }
    },
    // Only names are quoted in these messages: of a header, of a subprotocol's fault.
    catch: (error) =>
      new DialFailed({ code: "ERR_INVALID_REQUEST", reason: error instanceof Error ? error.message : "refused" })
  })
  // `Effect.acquireRelease` would keep what the fibre refers to now, the dial's span too: 3 KiB for as long as it is open.
  const { buffer, ws } = yield* Effect.uninterruptible(
    Effect.tap(create, ({ ws }) => Scope.addFinalizer(scope, release(ws, closeTimeout)))
  )
  yield* opened(ws, url, headers)

  const socket: Socket = {
    protocol: ws.protocol,
    receive: buffer.receive,
    send: (message) =>
      Effect.async((resume) => {
        if (ws.readyState !== WebSocket.OPEN) {
          resume(new SendFailed({ reason: "the socket has ended" }))
          return
        }
        ws.send(message, (error) => {
          resume(error instanceof Error ? new SendFailed({ reason: error.message }) : Effect.void)
        })
      }),
    ping: pings(ws, buffer),
    close: (code = 1000, reason = "") => closePolitely(ws, closeTimeout, code, reason),
    terminate: terminate(ws)
  }
  return socket
})

// Each ping has a payload of its own, since a pong that answers another ping, or none, proves nothing
// (RFC 6455 §5.5.3).
const pings = (ws: WebSocket, buffer: ReceiveBuffer.ReceiveBuffer): Effect.Effect<void, SocketError> => {
  let count = 0
  return Effect.suspend(() => {
    const payload = String(++count)
    return Effect.async<void, SocketError>((resume) => {
      const stop = () => {
        ws.off("pong", onPong)
        leave()
      }
      const onPong = (data: Buffer) => {
        if (data.toString() !== payload) return
        stop()
        resume(Effect.void)
      }
      ws.on("pong", onPong)
      const leave = buffer.onEnd((end) => {
        ws.off("pong", onPong)
        resume(end)
      })
      if (ws.readyState === WebSocket.OPEN) ws.ping(payload, true, () => undefined)
      return Effect.sync(stop)
    })
  })
}

/**
 * Dials with `ws`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const ConnectionLive = Connection.layer({ url: "wss://example.com/feed" }).pipe(
 *   Layer.provide(NodeTransport.layer)
 * )
 * ```
 */
export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, {
  capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
  dial
})
