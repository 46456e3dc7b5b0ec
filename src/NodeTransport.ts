/**
 * The transport for Node, on `ws`. Unlike the WHATWG `WebSocket`, it has ping frames, the status of a refused upgrade, TCP
 * backpressure and an immediate terminate, on every Node version.
 *
 * It verifies TLS certificates. Node's `NODE_EXTRA_CA_CERTS` adds private certificate authorities.
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
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import type { Socket as TcpSocket } from "node:net"
import { WebSocket } from "ws"
import { ConnectionClosed, DialFailed, HandshakeRejected, MessageTooLarge, SendFailed } from "./ConnectionError.ts"
import * as ReceiveBuffer from "./internal/transport/receiveBuffer.ts"
import * as RetryAfter from "./internal/transport/retryAfter.ts"
import { parseUrl } from "./internal/transport/url.ts"
import { maxBatchOf, onReads } from "./internal/transport/wsReads.ts"
import { within } from "./internal/time/timeout.ts"
import type { DialRequest, Progress, Socket, SocketError } from "./Transport.ts"
import { Transport } from "./Transport.ts"

// The most bytes of a refusal's body that an error shows, and the deadline for their arrival.
const bodyLimit = 512
const bodyTimeout = Duration.seconds(1)

const codeOf = (error: Error, fallback: string): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : fallback

// The close code (RFC 6455 §7.4.1) for each protocol violation that `ws` reports.
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

// Shorter parts of a URL or header are not treated as secrets.
const shortestSecret = 6

// Removes the URL's parts and the headers from the body: servers often quote the request that they refuse.
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

// Puts the messages of a new socket into a buffer, and ends the buffer when the socket ends.
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
    // `ws` does not report errors of the TCP socket once it is open.
    socket.on("error", (error) => {
      errno = codeOf(error, error.message)
    })
    ws.once("open", () => {
      openedAt = clock.unsafeCurrentTimeMillis()
    })
  })
  onReads(ws, {
    begin: (bytes) => {
      buffer.unsafeBeginRead(maxBatchOf(bytes))
    },
    end: buffer.unsafeEndRead
  })
  ws.on("message", (data, isBinary) => {
    if (!Buffer.isBuffer(data)) return
    const message = isBinary ? data : data.toString()
    // Decoding turns invalid UTF-8 (RFC 6455 §8.1) into U+FFFD, so only a text that contains it needs the check.
    if (typeof message === "string" && replaced.test(message) && !isUtf8(data)) {
      end(1007, "invalid UTF-8 sequence")
      ws.close(1007)
      return
    }
    buffer.unsafeOffer(message, data.length)
  })
  // This listener stays: `ws` also emits an error when a dial is aborted, which without a listener would end the process.
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

// The headers of an answer, one text for each name. `set-cookie` may come several times.
const headersOf = (headers: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]]
    )
  )

const noProgress: Progress = { received: 0, sent: 0 }

interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly progress: () => Progress
}

const answerOf = (headers: IncomingHttpHeaders, socket: TcpSocket): Answer => ({
  headers: headersOf(headers),
  progress: () => ({ received: socket.bytesRead, sent: socket.bytesWritten })
})

const awaitUpgrade = (ws: WebSocket, url: URL, headers: Readonly<Record<string, string>>) =>
  Effect.async<Answer, DialFailed | HandshakeRejected>((resume) => {
    let answer: Answer = { headers: {}, progress: () => noProgress }
    const settle = (outcome: Effect.Effect<Answer, DialFailed | HandshakeRejected>) => {
      // A listener that stayed would keep the whole dial in memory.
      ws.off("upgrade", upgraded).off("open", open).off("unexpected-response", refused).off("error", failed)
      resume(outcome)
    }
    const upgraded = ({ headers, socket }: IncomingMessage) => {
      answer = answerOf(headers, socket)
    }
    const open = () => {
      settle(Effect.succeed(answer))
    }
    const refused = (_: unknown, response: IncomingMessage) => {
      settle(rejection(response, url, headers))
    }
    const failed = (error: Error) => {
      settle(new DialFailed({ code: codeOf(error, "ERR_HANDSHAKE"), reason: error.message }))
    }
    ws.on("upgrade", upgraded).on("open", open).on("unexpected-response", refused).on("error", failed)
  })

const terminate = (ws: WebSocket) =>
  Effect.sync(() => {
    ws.terminate()
  })

const closingHandshake = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.async<void>((resume) => {
    const done = () => {
      resume(Effect.void)
    }
    ws.once("close", done)
    // Keeps reading and discards: the peer's close frame comes after the messages that are still on their way.
    ws.removeAllListeners("message")
    ws.resume()
    ws.close(code, reason)
    return Effect.sync(() => {
      ws.off("close", done)
    })
  }).pipe(
    Effect.interruptible,
    within(closeTimeout, () => undefined),
    // The deadline passed, or `ws` refused to send the code.
    Effect.catchAllCause(() => terminate(ws))
  )

const closeSocket = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.suspend(() => ws.readyState === WebSocket.CLOSED ? Effect.void : closingHandshake(ws, closeTimeout, code, reason))

// A socket that is still connecting has no closing handshake.
const release = (ws: WebSocket, closeTimeout: Duration.Duration) =>
  Effect.suspend(() =>
    ws.readyState === WebSocket.CONNECTING ? terminate(ws) : closeSocket(ws, closeTimeout, 1000, "")
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
        // Compression costs memory per socket and time per message. Market data comes in small messages.
        perMessageDeflate: false,
        // `listen` checks it at a lower cost.
        skipUTF8Validation: true
      })
      // Listens at once: the first messages may come in the same packet as the response to the upgrade.
      return { ws, buffer: listen(ws, clock, maxMessageBytes) }
    },
    // The messages of `ws` and Node may name a header, but never show its value or the URL.
    catch: (error) =>
      new DialFailed({ code: "ERR_INVALID_REQUEST", reason: error instanceof Error ? error.message : "refused" })
  })
  // `Effect.acquireRelease` would keep the fibre references of the dial, its span too, while the socket is open: 3 KiB.
  const { buffer, ws } = yield* Effect.uninterruptible(
    Effect.tap(create, ({ ws }) => Scope.addFinalizer(scope, release(ws, closeTimeout)))
  )
  const answer = yield* awaitUpgrade(ws, url, headers)

  const socket: Socket = {
    protocol: ws.protocol,
    headers: answer.headers,
    progress: answer.progress,
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
    ping: makePing(ws, buffer),
    close: (code = 1000, reason = "") => closeSocket(ws, closeTimeout, code, reason),
    terminate: terminate(ws)
  }
  return socket
})

// Each ping has its own payload, so that a pong to an earlier ping, or an unsolicited one, does not count
// (RFC 6455 §5.5.3).
const makePing = (ws: WebSocket, buffer: ReceiveBuffer.ReceiveBuffer): Effect.Effect<void, SocketError> => {
  let count = 0
  return Effect.suspend(() => {
    const payload = String(++count)
    return Effect.async<void, SocketError>((resume) => {
      const stop = () => {
        ws.off("pong", onPong)
        stopWaitingForEnd()
      }
      const onPong = (data: Buffer) => {
        if (data.toString() !== payload) return
        stop()
        resume(Effect.void)
      }
      ws.on("pong", onPong)
      const stopWaitingForEnd = buffer.onEnd((end) => {
        ws.off("pong", onPong)
        resume(end)
      })
      if (ws.readyState === WebSocket.OPEN) ws.ping(payload, true, () => undefined)
      return Effect.sync(stop)
    })
  })
}

/**
 * The transport for Node, on `ws`.
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
