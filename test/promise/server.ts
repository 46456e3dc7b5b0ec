// A server of `ws` on 127.0.0.1 for tests outside Effect.
import type { EventEmitter } from "node:events"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import type { WebSocket } from "ws"
import { WebSocketServer } from "ws"

interface UpgradeRequest {
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

export interface Server extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** The next connection, in the order in which they came. */
  readonly accepted: () => Promise<WebSocket>
  /** The request of the latest connection. */
  readonly request: () => Promise<UpgradeRequest>
  /** The number of connections so far. */
  readonly count: () => number
  /** Waits until no connection is open. */
  readonly closed: () => Promise<void>
  /** The bytes that wait to be sent on a socket, once no more of them leave. */
  readonly settled: (socket: WebSocket) => Promise<number>
}

/** The arguments of the next event of this name. */
export const arrives = (emitter: EventEmitter, name: string): Promise<ReadonlyArray<unknown>> => once(emitter, name)

const isAddress = (address: AddressInfo | string | null): address is AddressInfo => address !== null && typeof address !== "string"

/** The port of a server that listens. */
export const portOf = (server: { readonly address: () => AddressInfo | string | null }): number => {
  const address = server.address()
  if (!isAddress(address)) throw new Error("The server has no port.")
  return address.port
}

export const serve = async (): Promise<Server> => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: (names) => [...names][0] ?? false })
  await once(server, "listening")
  const port = portOf(server)
  const sockets: Array<WebSocket> = []
  const waiting: Array<(socket: WebSocket) => void> = []
  let latest: UpgradeRequest | undefined
  let count = 0
  server.on("connection", (socket, request) => {
    latest = request
    count++
    // A reset is what some tests are about.
    socket.on("error", () => undefined)
    const next = waiting.shift()
    if (next === undefined) sockets.push(socket)
    else next(socket)
  })
  const closed = async () => {
    for (const socket of server.clients) if (socket.readyState !== socket.CLOSED) await once(socket, "close")
  }
  return {
    url: `ws://127.0.0.1:${port}`,
    port,
    accepted: () =>
      new Promise((resolve) => {
        const first = sockets.shift()
        if (first === undefined) waiting.push(resolve)
        else resolve(first)
      }),
    request: async () => {
      if (latest === undefined) await once(server, "connection")
      if (latest === undefined) throw new Error("There was no connection.")
      return latest
    },
    count: () => count,
    closed,
    settled: async (socket) => {
      for (let before = -1; before !== socket.bufferedAmount;) {
        before = socket.bufferedAmount
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      return socket.bufferedAmount
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of server.clients) socket.terminate()
      server.close()
      await once(server, "close")
    }
  }
}
