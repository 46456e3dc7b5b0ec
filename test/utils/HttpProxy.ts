// A proxy on 127.0.0.1 that knows CONNECT (RFC 9110 §9.3.6).
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { Socket } from "node:net"
import * as net from "node:net"
import type { Duplex } from "node:stream"

export interface HttpProxy {
  readonly port: number
  /** What clients have asked for, as "host:port". */
  readonly asked: ReadonlyArray<string>
  /** The values of Proxy-Authorization. */
  readonly credentials: ReadonlyArray<string | undefined>
  /** The number of connections from clients that have not ended. */
  readonly open: () => number
}

export interface Options {
  /** Its answer to every CONNECT instead of connecting: a status line with headers and body. `"silent"`: none. */
  readonly answer?: string | undefined
  /** The key and certificate, for TLS. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

const join = (one: Duplex, other: Duplex) => {
  one.pipe(other)
  other.pipe(one)
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.on("error", () => undefined)
    from.on("close", () => {
      to.destroy()
    })
  }
}

/** Starts a proxy, which runs until the scope closes. All names lead to 127.0.0.1. */
export const make = ({ answer, tls }: Options = {}): Effect.Effect<HttpProxy, never, Scope> =>
  Effect.acquireRelease(
    Effect.async<HttpProxy & { readonly stop: () => void }>((resume) => {
      const asked: Array<string> = []
      const credentials: Array<string | undefined> = []
      const sockets = new Set<Socket>()
      const server = tls === undefined ? createServer() : createSecureServer(tls)
      server.on("connection", (socket: Socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("close", () => sockets.delete(socket))
      })
      server.on("connect", (request, client: Duplex) => {
        client.on("error", () => undefined)
        asked.push(request.url ?? "")
        credentials.push(request.headers["proxy-authorization"])
        if (answer === "silent") {
          // A socket that is not read never reports its end.
          client.resume().on("end", () => client.end())
          return
        }
        if (answer !== undefined) {
          client.end(`HTTP/1.1 ${answer}`)
          return
        }
        const upstream = net.connect(Number(/:(\d+)$/.exec(request.url ?? "")?.[1]), "127.0.0.1", () => {
          client.write("HTTP/1.1 200 Connection established\r\n\r\n")
          join(client, upstream)
        })
        upstream.on("error", () => {
          client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({
          port: typeof address === "object" && address !== null ? address.port : 0,
          asked,
          credentials,
          open: () => sockets.size,
          stop: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )
