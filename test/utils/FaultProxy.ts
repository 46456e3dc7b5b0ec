// A TCP proxy on 127.0.0.1 that breaks connections as networks do. It knows only bytes.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { PCGRandom } from "effect/Utils"
import * as net from "node:net"
import * as tls from "node:tls"
import { cert, key } from "./selfSigned.ts"

/**
 * A fault of the network, and how long it lasts. Swallowed bytes are lost for good: a connection that has lost a byte stays
 * dead after the fault, and neither side is told.
 *
 * - `Reset`, `Finish`: all connections end with an RST, or with a FIN and without a close frame.
 * - `BlackholeUp`, `BlackholeDown`, `HalfOpen`: swallows the bytes to the server, to the client, or both. It also swallows
 *   the server's ends.
 * - `Stall`: no byte passes. After the fault, all held bytes do.
 * - `Latency`: each chunk is delayed by `delay`.
 * - `Bandwidth`: at most `bytesPerSecond` pass each way.
 * - `Split`: bytes pass in pieces of one to `most`, each in a read of its own. That splits headers, the lengths of frames,
 *   and characters.
 * - `Refuse`: all connections are reset, and the port is closed.
 * - `AcceptThenClose`: all connections are reset, and every new one is accepted and ends with a FIN at once.
 * - `Linger`: bytes pass, and the server's ends are swallowed: a close frame comes without a FIN.
 * - `Unread`: no byte passes to the server. After `after`, all clients get a FIN, while what they send stays unread for
 *   `lasts` more.
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
  readonly Linger: Lasting
  readonly Unread: Lasting & { readonly after: Duration.DurationInput }
}>

interface Lasting {
  readonly lasts: Duration.DurationInput
}

export const Fault = Data.taggedEnum<Fault>()

export interface FaultProxy {
  readonly port: number
  /** The port of a TLS server with an untrusted certificate. */
  readonly badCertificatePort: number
  /** Injects a fault now, and completes when it is over. One fault at a time. */
  readonly inject: (fault: Fault) => Effect.Effect<void>
  /** The number of connections through the proxy that have not ended. */
  readonly open: () => number
}

// The treatment of the bytes of one direction.
type Treatment = Data.TaggedEnum<{
  readonly Pass: object
  readonly PassWithoutEnd: object
  readonly Swallow: object
  readonly Hold: object
  readonly Delay: { readonly delay: Duration.DurationInput }
  readonly Throttle: { readonly bytesPerSecond: number }
  readonly Split: { readonly most: number }
}>
const Treatment = Data.taggedEnum<Treatment>()
const { Delay, Hold, Pass, PassWithoutEnd, Split, Swallow, Throttle } = Treatment

interface Weather {
  /** The end of all open connections, if any. */
  readonly ends: "none" | "reset" | "finish" | "finishClient"
  /** Whether new connections are accepted, refused, or accepted and closed at once. */
  readonly door: "open" | "shut" | "revolving"
  readonly up: Treatment
  readonly down: Treatment
  readonly lasts: Duration.DurationInput
}

const calm: Weather = { ends: "none", door: "open", up: Pass(), down: Pass(), lasts: 0 }

const calmBut = (changes: Partial<Weather>): Weather => ({ ...calm, ...changes })

// The weathers of a fault, one after the other.
const weathersOf: (fault: Fault) => ReadonlyArray<Weather> = Fault.$match({
  Reset: () => [calmBut({ ends: "reset" })],
  Finish: () => [calmBut({ ends: "finish" })],
  BlackholeUp: ({ lasts }) => [calmBut({ up: Swallow(), lasts })],
  BlackholeDown: ({ lasts }) => [calmBut({ down: Swallow(), lasts })],
  HalfOpen: ({ lasts }) => [calmBut({ up: Swallow(), down: Swallow(), lasts })],
  Stall: ({ lasts }) => [calmBut({ up: Hold(), down: Hold(), lasts })],
  Latency: ({ delay, lasts }) => [calmBut({ up: Delay({ delay }), down: Delay({ delay }), lasts })],
  Bandwidth: ({ bytesPerSecond, lasts }) => [calmBut({ up: Throttle({ bytesPerSecond }), down: Throttle({ bytesPerSecond }), lasts })],
  Split: ({ lasts, most }) => [calmBut({ up: Split({ most }), down: Split({ most }), lasts })],
  Refuse: ({ lasts }) => [calmBut({ ends: "reset", door: "shut", lasts })],
  AcceptThenClose: ({ lasts }) => [calmBut({ ends: "reset", door: "revolving", lasts })],
  Linger: ({ lasts }) => [calmBut({ down: PassWithoutEnd(), lasts })],
  Unread: ({ after, lasts }) => [calmBut({ up: Hold(), lasts: after }), calmBut({ ends: "finishClient", up: Hold(), lasts })]
})

type Direction = "up" | "down"

interface Pair {
  readonly client: net.Socket
  readonly server: net.Socket
  /** The directions that have lost bytes, or their end. */
  readonly lost: Set<Direction>
  /** The directions that have ended. */
  readonly ended: Set<Direction>
}

const host = "127.0.0.1"
// A throttled direction passes its bytes once in this time.
const tick = Duration.millis(20)

// Waits for the next turn of the event loop, so that the peer reads each piece separately.
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

    // Looks at the weather before each piece: it may change while a chunk is under way.
    const convey = Effect.fnUntraced(function*(pair: Pair, direction: Direction, chunk: Buffer) {
      const sink = direction === "up" ? pair.server : pair.client
      let rest = chunk
      while (rest.length > 0) {
        const treatment: Treatment = pair.lost.has(direction) ? Swallow() : weather[direction]
        let size = rest.length
        switch (treatment._tag) {
          case "Pass":
          case "PassWithoutEnd":
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

    // After a loss the server's end does not reach the client: the pair is over as soon as the client has gone.
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
        // One chunk at a time: a slow direction holds up its sender.
        source.on("data", (chunk: Buffer) => {
          source.pause()
          runFork(Effect.zipRight(convey(pair, direction, chunk), Effect.sync(() => source.resume())))
        })
        source.on("end", () => {
          pair.ended.add(direction)
          if (weather[direction]._tag === "PassWithoutEnd") pair.lost.add(direction)
          // After a loss, the end is swallowed, too.
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
          if (next.ends === "finish" || next.ends === "finishClient") pair.client.end()
          if (next.ends === "finish") pair.server.end()
        }
      })

    const proxy: FaultProxy = {
      port,
      badCertificatePort,
      inject: (fault) => {
        const pass = Effect.forEach(weathersOf(fault), (next) =>
          Effect.zipRight(Effect.uninterruptible(change(next)), Effect.sleep(next.lasts)), { discard: true })
        return Effect.ensuring(pass, change(calm))
      },
      open: () => pairs.size
    }
    return proxy
  })
