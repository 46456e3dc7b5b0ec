// A reader that is stuck, over a real socket: how much the peer can send before it has to wait.
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { WebSocketServer } from "ws"

const mebibyte = 1024 * 1024

// A peer that sends mebibytes for as long as the client takes them, up to `most`. Counts those that it could write.
const peer = (most: number) =>
  Effect.gen(function*() {
    let taken = 0
    const server = yield* Effect.acquireRelease(
      Effect.async<WebSocketServer>((resume) => {
        const made = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => {
          resume(Effect.succeed(made))
        })
      }),
      (made) =>
        Effect.sync(() => {
          for (const client of made.clients) client.terminate()
          made.close()
        })
    )
    server.on("connection", (client) => {
      client.on("error", () => undefined)
      const sendNext = () => {
        client.send("x".repeat(mebibyte), (error) => {
          if (error instanceof Error || ++taken === most) return
          sendNext()
        })
      }
      sendNext()
    })
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    return { url: `ws://127.0.0.1:${port}`, taken: () => taken }
  })

describe("a stuck reader over a real socket", () => {
  it.scopedLive("makes the peer wait after as many bytes as the inbox holds, and what all buffers on the way hold", () =>
    Effect.gen(function*() {
      const most = 128
      const { taken, url } = yield* peer(most)
      const connection = yield* Connection.make({ url, inbox: { maxBytes: 8 * mebibyte } }).pipe(
        Effect.provide(NodeTransport.layer)
      )
      const isStuck = yield* Deferred.make<void>()
      yield* Effect.fork(connection.messages.forEach(() => Effect.zipRight(Deferred.succeed(isStuck, undefined), Effect.never)))
      yield* Deferred.await(isStuck)
      // Until the peer makes no more progress: it waits, or has sent everything.
      yield* Effect.iterate({ before: -1, still: 0 }, {
        while: ({ still }) => still < 6,
        body: ({ before, still }) =>
          Effect.map(Effect.sleep("50 millis"), () => ({ before: taken(), still: taken() === before ? still + 1 : 0 }))
      })
      // 8 in the inbox, one with the reader, one each that waits for room, is received and is incomplete. The rest is in the
      // buffers of two operating systems' sockets, which take some mebibytes each.
      assert.isAtMost(taken(), 40)
    }))
})
