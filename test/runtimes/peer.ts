// The server that the checks dial: what it does depends on the path.
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import { WebSocketServer } from "ws"

// What a path does with an open socket.
type Open = (client: WebSocket, report: Report) => void

// What the server has seen, for a later dial to ask.
interface Report {
  code: number
  flooded: WebSocket | undefined
}

const floodBytes = 1024 * 1024
export const floodMessages = 64

// Compressed, a thousandth of this.
const bombBytes = 20 * 1024 * 1024

const opened: Readonly<Record<string, Open>> = {
  "/burst": (client) => {
    for (let i = 0; i < 1000; i++) client.send(i % 2 === 0 ? String(i) : Buffer.from(String(i)))
  },
  "/echo": (client) => {
    client.on("message", (data, isBinary) => {
      client.send(data, { binary: isBinary })
    })
  },
  "/big": (client) => {
    client.send("x".repeat(5000))
  },
  "/bomb": (client) => {
    client.send(Buffer.alloc(bombBytes))
  },
  "/parts": (client) => {
    for (let i = 0; i < 10; i++) client.send("x".repeat(500), { fin: i === 9 })
  },
  "/bye": (client) => {
    client.close(4001, "bye")
  },
  "/cut": (client) => {
    client.terminate()
  },
  "/noted": (client, report) => {
    report.code = 0
    client.on("close", (code) => {
      report.code = code
    })
    client.send("open")
  },
  "/code": (client, report) => {
    client.send(String(report.code))
  },
  "/pinged": (client) => {
    let pings = 0
    client.on("ping", () => {
      if (++pings === 3) client.send("3 pings")
    })
  },
  "/pings": (client) => {
    client.on("pong", (data) => {
      client.send(data.toString())
    })
    client.ping("are you there")
  },
  "/flood": (client, report) => {
    report.flooded = client
    for (let i = 0; i < floodMessages; i++) client.send(Buffer.alloc(floodBytes, i))
  },
  "/unsent": (client, report) => {
    client.send(String(report.flooded?.bufferedAmount ?? 0))
  },
  "/hello": (client) => {
    client.send("hello")
  }
}

const refuse = (socket: Duplex, answer: string) => {
  socket.end(`HTTP/1.1 ${answer}\r\n\r\nbusy`)
}

// "try again", as a close frame of code 1013 (RFC 6455 §5.5.1).
const closeFrame = Buffer.concat([Buffer.from([0x88, 11, 1013 >> 8, 1013 & 255]), Buffer.from("try again")])

export interface Options {
  readonly onRestart?: () => void
  readonly port?: number
  /** The file of a Unix socket to listen on, instead of a port. */
  readonly file?: string
  /** The key and certificate, for TLS. With `ca`, clients must show a certificate of that authority. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string }
}

/** Starts the server on a port of 127.0.0.1, and resolves with its port. */
export const start = ({ file, onRestart = () => undefined, port = 0, tls }: Options = {}) =>
  new Promise<{ readonly port: number; readonly stop: () => Promise<void> }>((resolve) => {
    const report: Report = { code: 0, flooded: undefined }
    const sockets = new Set<Duplex>()
    const upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => "two", perMessageDeflate: true })
    const silent = new WebSocketServer({ noServer: true, autoPong: false })
    upgrades.on("headers", (headers, request) => {
      headers.push(`x-answer: ${String(request.headers["x-key"])}`)
    })
    const server = tls === undefined ? createServer() : createSecureServer({ ...tls, requestCert: tls.ca !== undefined })
    server.on("connection", (socket: Duplex) => {
      sockets.add(socket)
      socket.on("error", () => undefined)
      socket.on("close", () => sockets.delete(socket))
    })
    server.on("upgrade", (request, socket, head) => {
      const path = request.url ?? "/"
      if (path === "/503") refuse(socket, "503 Busy\r\nRetry-After: 7\r\nContent-Length: 4")
      else if (path === "/reset") socket.destroy()
      else if (path === "/silent") silent.handleUpgrade(request, socket, head, (client) => client.on("error", () => undefined))
      else {
        upgrades.handleUpgrade(request, socket, head, (client) => {
          client.on("error", () => undefined)
          if (path === "/restart") onRestart()
          else if (path === "/half") {
            // The TCP connection stays open.
            socket.removeAllListeners().on("error", () => undefined).resume()
            socket.write(closeFrame)
          }
          else opened[path]?.(client, report)
        })
      }
    })
    const listening = () => {
      const address: AddressInfo | string | null = server.address()
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        stop: () =>
          new Promise((done) => {
            server.close(() => {
              done()
            })
            for (const socket of sockets) socket.destroy()
          })
      })
    }
    if (file === undefined) server.listen(port, "127.0.0.1", listening)
    else server.listen(file, listening)
  })
