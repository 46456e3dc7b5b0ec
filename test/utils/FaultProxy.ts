// A TCP proxy on 127.0.0.1 that does to connections what networks do. It knows bytes, and nothing of what they mean.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { PCGRandom } from "effect/Utils"
import * as net from "node:net"
import * as tls from "node:tls"
import { cert, key } from "./selfSigned.ts"

/**
 * What the network does, and for how long. What is swallowed is lost for good: a connection of which so much as one byte
 * is lost stays dead after the fault is over, and nobody is told.
 *
 * - `Reset`, `Finish`: all connections end with an RST, or with a FIN and no close frame.
 * - `BlackholeUp`, `BlackholeDown`, `HalfOpen`: what the client says, what it should hear, or both, is swallowed; so is
 *   every end of the server's.
 * - `Stall`: nothing passes, and then everything that was held does.
 * - `Latency`: everything comes so much later.
 * - `Bandwidth`: so many bytes a second pass each way.
 * - `Split`: everything comes in pieces of one to `most` bytes, each in a read of its own: split are headers, the
 *   lengths of frames, and characters.
 * - `Refuse`: all connections are reset, and nobody listens.
 * - `AcceptThenClose`: all connections are reset, and every new one ends with a FIN as soon as it is there.
 */
export type Fault = Data.TaggedEnum<{
  readonly Reset: object
  readonly Finish: object
  readonly BlackholeUp: Lasting
  readonly BlackholeDown: Lasting
  readonly HalfOpen: Lasting
  readonly Stall: Lasting
  readonly Latency: Lasting & { readonly delay: Duration.DurationInput }
  readonly Bandwidth: Lasting & { readonly bytesPerSecond: number }
  readonly Split: Lasting & { readonly most: number }
  readonly Refuse: Lasting
  readonly AcceptThenClose: Lasting
}>

interface Lasting {
  readonly lasts: Duration.DurationInput
}

export const Fault = Data.taggedEnum<Fault>()

export interface FaultProxy {
  readonly port: number
  /** A TLS server whose certificate nobody trusts. */
  readonly badCertificatePort: number
  /** Strikes now, and completes when the network is well again. One fault at a time. */
  readonly strike: (fault: Fault) => Effect.Effect<void>
  /** Connections through the proxy that have not ended. */
  readonly open: () => number
}

// What becomes of the bytes of one direction.
type Treatment = Data.TaggedEnum<{
  readonly Pass: object
  readonly Swallow: object
  readonly Hold: object
  readonly Delay: { readonly delay: Duration.DurationInput }
  readonly Throttle: { readonly bytesPerSecond: number }
  readonly Split: { readonly most: number }
}>
const Treatment = Data.taggedEnum<Treatment>()
const { Delay, Hold, Pass, Split, Swallow, Throttle } = Treatment

interface Weather {
  /** What happens to the connections that are there. */
  readonly ends: "none" | "reset" | "finish"
  /** What happens to those who dial. */
  readonly door: "open" | "shut" | "revolving"
  readonly up: Treatment
  readonly down: Treatment
  readonly lasts: Duration.DurationInput
}

const calm: Weather = { ends: "none", door: "open", up: Pass(), down: Pass(), lasts: 0 }

const but = (what: Partial<Weather>): Weather => ({ ...calm, ...what })

const weatherOf: (fault: Fault) => Weather = Fault.$match({
  Reset: () => but({ ends: "reset" }),
  Finish: () => but({ ends: "finish" }),
  BlackholeUp: ({ lasts }) => but({ up: Swallow(), lasts }),
  BlackholeDown: ({ lasts }) => but({ down: Swallow(), lasts }),
  HalfOpen: ({ lasts }) => but({ up: Swallow(), down: Swallow(), lasts }),
  Stall: ({ lasts }) => but({ up: Hold(), down: Hold(), lasts }),
  Latency: ({ delay, lasts }) => but({ up: Delay({ delay }), down: Delay({ delay }), lasts }),
  Bandwidth: ({ bytesPerSecond, lasts }) => but({ up: Throttle({ bytesPerSecond }), down: Throttle({ bytesPerSecond }), lasts }),
  Split: ({ lasts, most }) => but({ up: Split({ most }), down: Split({ most }), lasts }),
  Refuse: ({ lasts }) => but({ ends: "reset", door: "shut", lasts }),
  AcceptThenClose: ({ lasts }) => but({ ends: "reset", door: "revolving", lasts })
})

type Direction = "up" | "down"

interface Pair {
  readonly client: net.Socket
  readonly server: net.Socket
  /** The directions that have lost bytes. */
  readonly lost: Set<Direction>
  /** The directions in which nothing more will come. */
  readonly ended: Set<Direction>
}

const host = "127.0.0.1"
// How finely a bandwidth is shared out.
const tick = Duration.millis(20)

// Until the sockets have been looked at once more.
const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => {
    resume(Effect.void)
  })
})

const listenOn = (server: net.Server, port: number) =>
  Effect.async<number>((resume) => {
    server.once("error", (error) => {
      resume(Effect.die(error))
    })
    server.listen(port, host, () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

const endQuietly = (socket: net.Socket) => {
  socket.on("error", () => undefined)
  return socket
}

/** Starts a proxy to a port of 127.0.0.1, which runs until the scope closes. The seed decides how bytes are split. */
export const make = (target: number, seed = 1) =>
  Effect.gen(function*() {
    const random = new PCGRandom(seed)
    const runFork = yield* FiberSet.makeRuntime()
    const pairs = new Set<Pair>()
    const released = Effect.unsafeMakeLatch(true)
    let weather = calm

    const write = (sink: net.Socket, chunk: Buffer) =>
      Effect.async<void>((resume) => {
        if (sink.destroyed || sink.write(chunk)) {
          resume(Effect.void)
          return
        }
        const done = () => {
          sink.off("drain", done)
          sink.off("close", done)
          resume(Effect.void)
        }
        sink.on("drain", done)
        sink.on("close", done)
      })

    // What the weather is may change while a chunk is under way.
    const convey = Effect.fnUntraced(function*(pair: Pair, direction: Direction, chunk: Buffer) {
      const sink = direction === "up" ? pair.server : pair.client
      let rest = chunk
      while (rest.length > 0) {
        const treatment: Treatment = pair.lost.has(direction) ? Swallow() : weather[direction]
        let size = rest.length
        switch (treatment._tag) {
          case "Pass":
            break
          case "Swallow":
            pair.lost.add(direction)
            return
          case "Hold":
            yield* released.await
            break
          case "Delay":
            yield* Effect.sleep(treatment.delay)
            break
          case "Throttle":
            size = Math.max(1, Math.floor(treatment.bytesPerSecond * Duration.toSeconds(tick)))
            yield* Effect.sleep(tick)
            break
          case "Split":
            size = 1 + random.integer(treatment.most)
            yield* nextTurn
        }
        yield* write(sink, rest.subarray(0, size))
        rest = rest.subarray(size)
      }
    })

    const destroy = ({ client, server }: Pair) => {
      client.destroy()
      server.destroy()
    }

    // Where something was lost, an end is not answered: the pair is over as soon as the client has gone.
    const settle = (pair: Pair) => {
      const { ended, lost } = pair
      if (ended.has("up") && (lost.has("up") || (lost.has("down") && ended.has("down")))) destroy(pair)
    }

    const reset = ({ client, server }: Pair) => {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }

    const accept = (client: net.Socket) => {
      endQuietly(client)
      if (weather.door === "revolving") {
        client.end()
        client.resume()
        client.on("end", () => client.destroy())
        return
      }
      const server = endQuietly(net.connect({ port: target, host, allowHalfOpen: true }))
      const pair: Pair = { client, server, lost: new Set(), ended: new Set() }
      pairs.add(pair)
      const connect = (direction: Direction, source: net.Socket, sink: net.Socket) => {
        source.setNoDelay(true)
        // One chunk at a time is under way: what cannot pass on holds up who sends it.
        source.on("data", (chunk: Buffer) => {
          source.pause()
          runFork(Effect.zipRight(convey(pair, direction, chunk), Effect.sync(() => source.resume())))
        })
        source.on("end", () => {
          pair.ended.add(direction)
          // Of a loss, nobody is told the end.
          if (!pair.lost.has(direction)) sink.end()
          settle(pair)
        })
      }
      connect("up", client, server)
      connect("down", server, client)
      client.on("close", () => {
        pairs.delete(pair)
        server.destroy()
      })
      server.on("close", (failed) => {
        if (failed && !pair.lost.has("down")) reset(pair)
        pair.ended.add("down")
        settle(pair)
      })
    }

    let listener = net.createServer({ allowHalfOpen: true }, accept)
    const port = yield* listenOn(listener, 0)
    const shut = Effect.sync(() => {
      listener.close()
    })
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(shut, Effect.sync(() => {
        for (const pair of pairs) destroy(pair)
      }))
    )

    const untrusted = tls.createServer({ key, cert }, (socket) => endQuietly(socket).end())
    untrusted.on("tlsClientError", () => undefined)
    const badCertificatePort = yield* Effect.acquireRelease(listenOn(untrusted, 0), () =>
      Effect.sync(() => {
        untrusted.close()
      }))

    const change = (next: Weather) =>
      Effect.gen(function*() {
        const before = weather
        weather = next
        if (next.up._tag === "Hold") released.unsafeClose()
        else released.unsafeOpen()
        if (next.door === "shut" && before.door !== "shut") yield* shut
        if (next.door !== "shut" && before.door === "shut") {
          listener = net.createServer({ allowHalfOpen: true }, accept)
          yield* listenOn(listener, port)
        }
        for (const pair of [...pairs]) {
          if (next.ends === "reset") reset(pair)
          if (next.ends === "finish") {
            pair.client.end()
            pair.server.end()
          }
        }
      })

    const proxy: FaultProxy = {
      port,
      badCertificatePort,
      strike: (fault) => {
        const next = weatherOf(fault)
        return Effect.acquireUseRelease(change(next), () => Effect.sleep(next.lasts), () => change(calm))
      },
      open: () => pairs.size
    }
    return proxy
  })
