import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AddressInfo, Server, Socket } from "node:net"
import * as net from "node:net"
import * as tls from "node:tls"
import { progressOf } from "../../src/internal/transport/progress.ts"
import * as selfSigned from "../utils/selfSigned.ts"

const size = 20_000_000

const pairs: Readonly<Record<string, {
  readonly listen: (onSocket: (socket: Socket) => void) => Server
  readonly connect: (port: number) => Socket
}>> = {
  TCP: { listen: (onSocket) => net.createServer(onSocket), connect: (port) => net.connect(port, "127.0.0.1") },
  TLS: {
    listen: (onSocket) => tls.createServer({ key: selfSigned.key, cert: selfSigned.cert }, onSocket),
    connect: (port) => tls.connect({ port, host: "127.0.0.1", ca: selfSigned.cert, checkServerIdentity: () => undefined })
  }
}

const portOf = (address: AddressInfo | string | null) => typeof address === "object" && address !== null ? address.port : 0

// Checks again at every turn of the event loop.
const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.zipRight(Effect.sleep("1 millis"), until(holds)))

describe("progressOf", () => {
  for (const [name, { connect, listen }] of Object.entries(pairs)) {
    it.scopedLive(`over ${name}, counts what the operating system has taken of a write, bit by bit`, () =>
      Effect.gen(function*() {
        let peer: Socket | undefined
        const server = listen((socket) => {
          socket.on("error", () => undefined)
          socket.pause()
          peer = socket
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => {
          peer?.destroy()
          server.close()
        }))
        yield* Effect.async<void>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            resume(Effect.void)
          })
        })
        const socket = connect(portOf(server.address()))
        socket.on("error", () => undefined)
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
        yield* until(() => peer !== undefined)

        const before = progressOf(socket, 0)
        socket.write(Buffer.alloc(size))
        const seen = [before.sent]
        // The peer takes a little at a time.
        for (let at = before.sent; at < before.sent + size;) {
          yield* until(() => {
            peer?.read()
            return progressOf(socket, 0).sent > at
          })
          at = progressOf(socket, 0).sent
          seen.push(at)
        }
        assert.isAbove(seen.length, 4)
        assert.isAtLeast(Math.min(...seen), before.sent)
        yield* until(() => progressOf(socket, 0).unsent === 0)
      }))
  }

  it("counts nothing where the runtime does not show the socket", () => {
    assert.deepStrictEqual(progressOf(undefined, 0), { received: 0, control: 0, sent: 0, unsent: 0 })
  })
})
