// Reads a connection that the peer resets: it reconnects, and its items show the gap. The exchange is on this machine.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Connection, Item } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange, Fault } from "holdfast/binance/exchange"

const program = Effect.gen(function*() {
  const exchange = yield* Exchange.make({ tradesPerSecond: 3 })
  yield* Effect.forkScoped(exchange.script([{ after: "2 seconds", fault: Fault.Reset() }]))

  const connection = yield* Connection.make({ url: `${exchange.wsUrl}/ws/btcusdt@trade` })

  // Reads until data arrives after the first gap.
  yield* connection.items.pipe(
    Stream.mapAccum(0, (gaps, item) => [gaps + (item._tag === "Gap" ? 1 : 0), { item, gaps }]),
    Stream.takeUntil(({ item, gaps }) => gaps > 0 && item._tag === "Data"),
    Stream.runForEach(({ item }) =>
      Console.log(Item.$match(item, {
        Data: ({ data }) => String(data),
        Gap: ({ cause }) => `--- messages may be missing here: ${cause.message}`
      }))
    )
  )
})

program.pipe(Effect.scoped, Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
