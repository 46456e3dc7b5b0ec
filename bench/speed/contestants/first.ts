// An app with nothing but a Connection, to be bundled. It prints a line as soon as the first message arrives.
import * as Effect from "effect/Effect"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"

const [, , port = ""] = process.argv

Connection.make({ url: `ws://127.0.0.1:${port}/ws/btcusdt@trade` }).pipe(
  Effect.flatMap(({ messages }) =>
    messages.forEach(() =>
      Effect.sync(() => {
        process.stdout.write("first\n", () => {
          process.exit(0)
        })
      })
    )
  ),
  Effect.scoped,
  Effect.provide(NodeTransport.layer),
  Effect.runFork
)
