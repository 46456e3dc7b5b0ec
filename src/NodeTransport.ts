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
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import type { Socket as TcpSocket } from "node:net"
import { WebSocket } from "ws"
import { DialFailed, HandshakeRejected } from "./ConnectionError.ts"
import { dialFailure } from "./internal/transport/errorCode.ts"
import { headersOf, refusalHeaders } from "./internal/transport/wsHeaders.ts"
import { progressOf } from "./internal/transport/progress.ts"
import * as RetryAfter from "./internal/transport/retryAfter.ts"
import { finishRequest, tcpSocketOf } from "./internal/transport/tcpSocket.ts"
import { parseUrl } from "./internal/transport/url.ts"
import { closeSocket, terminate } from "./internal/transport/wsClose.ts"
import { makePing } from "./internal/transport/wsPing.ts"
import { listen, receiveOptions } from "./internal/transport/wsReceive.ts"
import { sendOn } from "./internal/transport/wsSend.ts"
import { within } from "./internal/time/timeout.ts"
import type { DialRequest, Socket } from "./Transport.ts"
import { Transport } from "./Transport.ts"

// The most bytes of a refusal's body that are read, and the deadline for their arrival. `Connection` removes what the server
// quotes of the request, then shows less.
const bodyLimit = 16 * 1024
const bodyTimeout = Duration.seconds(1)

const rejection = (response: IncomingMessage): Effect.Effect<never, HandshakeRejected> => {
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
        retryAfter: RetryAfter.parse(response.headers["retry-after"], response.headers.date, now),
        headers: refusalHeaders(response.headers),
        body: Buffer.concat(chunks).subarray(0, bodyLimit).toString().trim()
      })
  )
}

interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly socket: TcpSocket | undefined
}

const awaitUpgrade = (ws: WebSocket) =>
  Effect.async<Answer, DialFailed | HandshakeRejected>((resume) => {
    let answer: Answer = { headers: {}, socket: undefined }
    const settle = (outcome: Effect.Effect<Answer, DialFailed | HandshakeRejected>) => {
      // A listener that stayed would keep the whole dial in memory.
      ws.off("upgrade", upgraded).off("open", open).off("unexpected-response", refused).off("error", failed)
      resume(outcome)
    }
    const upgraded = (response: IncomingMessage) => {
      answer = { headers: headersOf(response.headers), socket: tcpSocketOf(response) }
    }
    const open = () => {
      settle(Effect.succeed(answer))
    }
    const refused = (_: unknown, response: IncomingMessage) => {
      settle(rejection(response))
    }
    const failed = (error: Error) => {
      settle(new DialFailed(dialFailure(error)))
    }
    ws.on("upgrade", upgraded).on("open", open).on("unexpected-response", refused).on("error", failed)
  })

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
        finishRequest,
        ...receiveOptions(maxMessageBytes),
        // Compression costs memory per socket and time per message. Market data comes in small messages.
        perMessageDeflate: false
      })
      // Listens at once: the first messages may come in the same packet as the response to the upgrade.
      return { ws, ...listen(ws, clock, maxMessageBytes) }
    },
    // The messages of `ws` and Node may name a header, but never show its value or the URL.
    catch: (error) =>
      new DialFailed({ code: "ERR_INVALID_REQUEST", reason: error instanceof Error ? error.message : "refused" })
  })
  // `Effect.acquireRelease` would keep the fibre references of the dial, its span too, while the socket is open: 3 KiB.
  const { buffer, controlBytes, ws } = yield* Effect.uninterruptible(
    Effect.tap(create, ({ ws }) => Scope.addFinalizer(scope, release(ws, closeTimeout)))
  )
  const answer = yield* awaitUpgrade(ws)

  const socket: Socket = {
    protocol: ws.protocol,
    headers: answer.headers,
    progress: () => progressOf(answer.socket, controlBytes()),
    receive: buffer.receive,
    send: sendOn(ws, answer.socket),
    ping: makePing(ws, buffer),
    close: (code = 1000, reason = "") => closeSocket(ws, closeTimeout, code, reason),
    terminate: terminate(ws)
  }
  return socket
})

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
