// Dials one socket with `ws`.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import type { Socket as TcpSocket } from "node:net"
import type { ClientOptions } from "ws"
import { WebSocket } from "ws"
import { DialFailed, HandshakeRejected } from "../../ConnectionError.ts"
import type { DialRequest, Socket } from "../../Transport.ts"
import { within } from "../time/timeout.ts"
import { dialFailure } from "./errorCode.ts"
import { progressOf } from "./progress.ts"
import * as RetryAfter from "./retryAfter.ts"
import { finishRequest, tcpSocketOf } from "./tcpSocket.ts"
import { isUnix, parseUnixUrl } from "./unixUrl.ts"
import { parseUrl } from "./url.ts"
import { closeSocket, terminate } from "./wsClose.ts"
import { headersOf, refusalHeaders } from "./wsHeaders.ts"
import { makePing } from "./wsPing.ts"
import { listen, receiveOptions } from "./wsReceive.ts"
import { sendOn } from "./wsSend.ts"

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

const awaitUpgrade = (ws: WebSocket, url: URL) =>
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
      settle(new DialFailed(dialFailure(error, url)))
    }
    ws.on("upgrade", upgraded).on("open", open).on("unexpected-response", refused).on("error", failed)
  })

// A socket that is still connecting has no closing handshake.
const release = (ws: WebSocket, closeTimeout: Duration.Duration, abort: Way["abort"]) =>
  Effect.suspend(() => {
    if (ws.readyState !== WebSocket.CONNECTING) return closeSocket(ws, closeTimeout, 1000, "")
    abort?.()
    return terminate(ws)
  })

/** How one dial reaches its server, beyond the defaults of Node. */
export interface Way {
  readonly options: Pick<
    ClientOptions,
    "agent" | "ca" | "cert" | "family" | "key" | "localAddress" | "passphrase" | "perMessageDeflate" | "rejectUnauthorized"
  > & { readonly servername?: string | undefined }
  /** Drops what `ws` does not drop when a dial is given up. */
  readonly abort?: (() => void) | undefined
}

const parse = (url: Redacted.Redacted) => isUnix(url) ? parseUnixUrl(url) : parseUrl(url)

/** Dials with `ws`. Closing the scope closes the socket. */
export const dialWith = (wayTo: (url: URL) => Way) => Effect.fnUntraced(function*(asked: DialRequest) {
  const { closeTimeout, maxMessageBytes, protocols, ...request } = asked
  const url = yield* parse(request.url)
  const way = wayTo(url)
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
        perMessageDeflate: false,
        ...way.options
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
    Effect.tap(create, ({ ws }) => Scope.addFinalizer(scope, release(ws, closeTimeout, way.abort)))
  )
  const answer = yield* awaitUpgrade(ws, url)

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
