// A SOCKS 5 proxy on 127.0.0.1 (RFC 1928), with a user and a password if it asks for them (RFC 1929).
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Socket } from "node:net"
import * as net from "node:net"

export interface SocksProxy {
  readonly port: number
  /** What clients have asked for, as "host:port". */
  readonly asked: ReadonlyArray<string>
  /** The users and passwords, as "user:password". */
  readonly credentials: ReadonlyArray<string>
}

export interface Options {
  readonly password?: string | undefined
  /** The reply to every request instead of connecting (RFC 1928 §6), such as 2: not allowed. */
  readonly reply?: number | undefined
}

// RFC 1928 §6, with an address of zeros.
const replyOf = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])

const success = 0
const refused = 5

// The host and the port of a request (RFC 1928 §4).
const targetOf = (request: Buffer): readonly [host: string, port: number] => {
  const length = request[4] ?? 0
  return request[3] === 3
    ? [request.subarray(5, 5 + length).toString(), request.readUInt16BE(5 + length)]
    : [request.subarray(4, 8).join("."), request.readUInt16BE(8)]
}

const textsOf = (login: Buffer): readonly [user: string, password: string] => {
  const length = login[1] ?? 0
  return [login.subarray(2, 2 + length).toString(), login.subarray(3 + length).toString()]
}

/** Starts a proxy, which runs until the scope closes. All names lead to 127.0.0.1. */
export const make = ({ password, reply }: Options = {}): Effect.Effect<SocksProxy, never, Scope> =>
  Effect.acquireRelease(
    Effect.async<SocksProxy & { readonly stop: () => void }>((resume) => {
      const asked: Array<string> = []
      const credentials: Array<string> = []
      const sockets = new Set<Socket>()

      const connect = (client: Socket, request: Buffer) => {
        const [host, port] = targetOf(request)
        asked.push(`${host}:${port}`)
        if (reply !== undefined) {
          client.end(replyOf(reply))
          return
        }
        const upstream = net.connect(port, "127.0.0.1", () => {
          client.write(replyOf(success))
          client.pipe(upstream)
          upstream.pipe(client)
        })
        upstream.on("error", () => {
          client.end(replyOf(refused))
        })
        upstream.on("close", () => {
          client.destroy()
        })
        client.on("close", () => {
          upstream.destroy()
        })
      }

      const server = net.createServer((client) => {
        sockets.add(client)
        client.on("error", () => undefined)
        client.on("close", () => sockets.delete(client))
        const authenticate = (login: Buffer) => {
          const [user, given] = textsOf(login)
          credentials.push(`${user}:${given}`)
          client.write(Buffer.from([1, given === password ? 0 : 1]))
          client.once("data", (request: Buffer) => {
            connect(client, request)
          })
        }
        client.once("data", () => {
          client.write(Buffer.from([5, password === undefined ? 0 : 2]))
          client.once("data", (next: Buffer) => {
            if (password === undefined) connect(client, next)
            else authenticate(next)
          })
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({
          port: typeof address === "object" && address !== null ? address.port : 0,
          asked,
          credentials,
          stop: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )
