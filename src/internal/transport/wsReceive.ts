// Receives from a `ws` socket: puts its messages into a buffer, and ends the buffer when the socket ends.
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { isUtf8 } from "node:buffer"
import type { WebSocket } from "ws"
import { ConnectionClosed, MessageTooLarge } from "../../ConnectionError.ts"
import { codeOf } from "./errorCode.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import * as ReceiveBuffer from "./receiveBuffer.ts"
import { tcpSocketOf } from "./tcpSocket.ts"
import { violations } from "./violations.ts"
import { onCloseFrame } from "./wsEnd.ts"
import { answerPings } from "./wsPong.ts"
import { maxBatchOf, onReads } from "./wsReads.ts"

// `ws` keeps an object of about 128 bytes for each fragment of an unfinished message, however small the fragment. This many
// take 32 MiB. A larger limit of messages allows more, as long as they take no more than twice that limit.
const leastFragments = 262_144
const bytesPerFragment = 64

const largestLimit = 2 ** 31 - 1

/** The options of `ws` that rule how it receives. */
export const receiveOptions = (maxMessageBytes: number) => ({
  // `ws` keeps its limits in 32 bits.
  maxPayload: Math.min(maxMessageBytes, largestLimit),
  maxFragments: Math.min(Math.max(leastFragments, Math.ceil(maxMessageBytes / bytesPerFragment)), largestLimit),
  // `answerPings` answers them: after a stall of this process, many may arrive in one read.
  autoPong: false,
  // `listen` checks it at a lower cost.
  skipUTF8Validation: true
})

const replaced = /\uFFFD/

export interface Received {
  readonly buffer: ReceiveBuffer.ReceiveBuffer
  /** The number of bytes of pings and pongs that have arrived so far. */
  readonly controlBytes: () => number
}

/** Listens to a new socket. Must be called while it is still connecting. */
export const listen = (ws: WebSocket, clock: Clock.Clock, maxMessageBytes: number): Received => {
  const buffer = ReceiveBuffer.make({
    pause: () => {
      ws.pause()
    },
    resume: () => {
      ws.resume()
    }
  })
  let openedAt = monotonicMillis(clock)
  let errno: string | undefined

  const end = (code: number, reason: string) => {
    const openFor = Duration.millis(monotonicMillis(clock) - openedAt)
    buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor, errno }))
  }

  ws.once("upgrade", (response) => {
    const tcp = tcpSocketOf(response)
    // `ws` does not report errors of the TCP socket once it is open.
    tcp?.on("error", (error) => {
      errno = codeOf(error, error.message)
    })
    onCloseFrame(ws, tcp, end)
    ws.once("open", () => {
      openedAt = monotonicMillis(clock)
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
      ws.close(1007)
      end(1007, "invalid UTF-8 sequence")
      return
    }
    buffer.unsafeOffer(message, data.length)
  })
  const controlBytes = answerPings(ws)
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
  return { buffer, controlBytes }
}
