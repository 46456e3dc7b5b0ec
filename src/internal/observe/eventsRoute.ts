// `/events`: sends a snapshot and then what changes. A client that reads slowly gets the latest state of what changed meanwhile, so
// that nothing piles up for it.
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Socket from "@effect/platform/Socket"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Message from "../../observe/Message.ts"
import type { Observe } from "../../observe/Observe.ts"
import { monotonic } from "../time/monotonic.ts"
import { json } from "./guard.ts"

const interval = Duration.millis(250)
// Without news, a message comes this often, in milliseconds.
const heartbeat = 10_000
// Bytes that wait in the socket: beyond them, nothing more is written.
const waitingAtMost = 1024 * 1024
// A client that takes nothing for so long is gone, in milliseconds.
const giveUpAfter = 30_000
const clientsAtMost = 64

// On Node, a request has its TCP socket.
const waitingIn = (source: unknown): number =>
  Predicate.hasProperty(source, "socket") && Predicate.hasProperty(source.socket, "writableLength") &&
    typeof source.socket.writableLength === "number"
    ? source.socket.writableLength
    : 0

const pump = (observer: Observe, source: unknown, write: (text: string | Socket.CloseEvent) => Effect.Effect<void, Socket.SocketError>) =>
  Effect.gen(function*() {
    let version: number | undefined
    let sentAt = Number.NEGATIVE_INFINITY
    let takenAt = yield* monotonic
    for (;;) {
      const moment = yield* monotonic
      if (waitingIn(source) <= waitingAtMost) {
        takenAt = moment
        const { at, changes, isWhole, version: current } = yield* observer.news(version)
        version = current
        if (isWhole || changes.length > 0 || moment - sentAt >= heartbeat) {
          sentAt = moment
          const message = isWhole
            ? new Message.Snapshot({ version: 1, at, startedAt: observer.startedAt, changes })
            : new Message.Changes({ at, changes })
          yield* write(JSON.stringify(message))
        }
      } else if (moment - takenAt >= giveUpAfter) {
        return yield* write(new Socket.CloseEvent(1013, "The messages are not read."))
      }
      yield* Effect.sleep(interval)
    }
  })

/** Makes the handler of requests that may see everything. */
export const make = (observer: Observe) => {
  let clients = 0
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.gen(function*() {
      if (request.headers["upgrade"]?.toLowerCase() !== "websocket") {
        return json({ error: "/events is a WebSocket." }, 426)
      }
      if (clients >= clientsAtMost) return json({ error: `There are ${clientsAtMost} clients already.` }, 503)
      const count = Effect.acquireRelease(
        Effect.sync(() => {
          clients++
        }),
        () =>
          Effect.sync(() => {
            clients--
          })
      )
      return yield* Effect.scoped(Effect.gen(function*() {
        yield* count
        const socket = yield* request.upgrade
        const write = yield* socket.writer
        // Whatever the client says is ignored. The socket ends with it, or with the pump.
        yield* Effect.raceFirst(
          socket.runRaw(() => undefined),
          pump(observer, request.source, write)
        ).pipe(Effect.ignore)
        return HttpServerResponse.empty()
      }))
    })
}
