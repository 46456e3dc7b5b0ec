// A custom reconnect schedule: fast first retries, a cap of one second, and at most ten of them. A custom `classify`
// retries a 404, which is fatal by default.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Connection, ConnectionEvent, FailureClass, ReconnectPolicy } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange, Fault } from "holdfast/binance/exchange"

const program = Effect.gen(function*() {
  const exchange = yield* Exchange.make()
  yield* exchange.fault(Fault.RefuseUpgrades({ times: 3, status: 404 }))

  const connection = yield* Connection.make({
    url: `${exchange.wsUrl}/ws/btcusdt@trade`,
    reconnect: ReconnectPolicy.exponential("100 millis", 3).pipe(
      ReconnectPolicy.capped("1 second"),
      ReconnectPolicy.jittered(0.5, "1 second"),
      ReconnectPolicy.recurs(10)
    ),
    classify: (error, standard) =>
      error._tag === "HandshakeRejected" && error.status === 404 ? FailureClass.Limited({ tries: 5 }) : standard
  })

  yield* connection.events.pipe(
    Stream.takeUntil(ConnectionEvent.$is("Opened")),
    Stream.filter(ConnectionEvent.$is("Waiting")),
    Stream.runForEach(({ attempt, cause, class: failureClass, delay }) =>
      Console.log(`retry ${attempt} in ${Duration.toMillis(delay).toFixed(0)} ms (${failureClass._tag}): ${cause.message}`)
    )
  )
  yield* Console.log("connected")
})

program.pipe(Effect.scoped, Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
