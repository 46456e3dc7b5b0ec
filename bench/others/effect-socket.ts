// @effect/platform's Socket with Effect's retry, without Holdfast.
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Socket from "@effect/platform/Socket"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Contestant } from "./contestant.ts"
import { said, tradeIn, versionIn } from "./contestant.ts"

export const contestant: Contestant = {
  name: "@effect/platform Socket",
  version: versionIn("../../node_modules/@effect/platform/package.json"),
  configuration: "`Socket.makeWebSocket(url, { closeCodeIsError: () => true })` (by default a dropped connection ends it as a success), `socket.runRaw` under `Effect.retry` with `exponential(\"1 second\")`, `union(spaced(\"10 seconds\"))`, `jittered`, one schedule for all its life; the stream in the URL",
  limit: "Schedule.recurs",
  start: ({ maxRetries, symbol, ws }, reader) => {
    const unlimited = Schedule.exponential("1 second").pipe(Schedule.union(Schedule.spaced("10 seconds")), Schedule.jittered)
    const schedule = Schedule.intersect(unlimited, Schedule.recurs(maxRetries ?? Number.POSITIVE_INFINITY))
    const run = () => {
      Effect.gen(function*() {
        const url = `${ws}/stream?streams=${symbol.toLowerCase()}@trade`
        const socket = yield* Socket.makeWebSocket(url, { closeCodeIsError: () => true })
        yield* socket.runRaw((message) => {
          const id = tradeIn(message)
          if (id !== undefined) reader.trade(id)
        }).pipe(
          Effect.tapError((error) => Effect.sync(() => {
            reader.notice(`a typed failure, retried: ${said(error)}`)
          })),
          Effect.retry(schedule)
        )
      }).pipe(
        Effect.provide(NodeSocket.layerWebSocketConstructor),
        Effect.match({
          onFailure: (error) => {
            reader.notice(`the effect failed: ${said(error)}`)
          },
          onSuccess: () => {
            reader.notice("the effect succeeded")
          }
        }),
        Effect.runFork
      )
    }
    run()
    return { revive: run }
  }
}
