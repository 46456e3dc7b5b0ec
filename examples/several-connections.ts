// Two connections in one program, each with its own service tag.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange } from "holdfast/binance/exchange"

class Trades extends Connection.Tag<Trades>()("Trades") {}
class Books extends Connection.Tag<Books>()("Books") {}

const show = (name: string, { messages }: Connection.Connection) =>
  Stream.runForEach(Stream.take(messages, 3), (message) => Console.log(`${name}: ${String(message).slice(0, 90)}`))

const program = Effect.gen(function*() {
  yield* Effect.all([show("trades", yield* Trades), show("books", yield* Books)], { concurrency: "unbounded" })
})

const Live = Layer.unwrapScoped(Effect.map(Exchange.make({ tradesPerSecond: 20 }), ({ wsUrl }) =>
  Layer.merge(
    Trades.layer({ url: `${wsUrl}/ws/btcusdt@trade` }),
    Books.layer({ url: `${wsUrl}/ws/ethusdt@bookTicker`, inbox: { overflow: "sliding" } })
  ))).pipe(Layer.provide(NodeTransport.layer))

program.pipe(Effect.provide(Live), NodeRuntime.runMain)
