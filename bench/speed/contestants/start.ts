// Prints a line on standard output as soon as the first message arrives.
const [, , contestant = "", port = ""] = process.argv

const first = () => {
  process.stdout.write("first\n", () => {
    process.exit(0)
  })
}

const run = async () => {
  switch (contestant) {
    case "nothing": {
      await import("ws")
      break
    }
    case "ws": {
      const { WebSocket } = await import("ws")
      new WebSocket(`ws://127.0.0.1:${port}/ws/btcusdt@trade`).on("message", first)
      break
    }
    case "connection": {
      const [Effect, Stream, { Connection }, NodeTransport] = await Promise.all([
        import("effect/Effect"),
        import("effect/Stream"),
        import("holdfast"),
        import("holdfast/NodeTransport")
      ])
      Effect.runFork(
        Effect.flatMap(Connection.make({ url: `ws://127.0.0.1:${port}/ws/btcusdt@trade` }), ({ messages }) =>
          Stream.runForEach(messages, () => Effect.sync(first))).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
      )
      break
    }
    case "feed": {
      const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
      fork(Effect.flatMap(feed(Number(port)), (feed) => Stream.runForEach(feed.trades("BTCUSDT"), () => Effect.sync(first))))
      break
    }
  }
}

void run()
