// The load: a process that accepts WebSocket connections and sends frames built in advance, as fast as the socket takes
// them or at a given rate. It implements only what the contestants need of the protocol.
import { createHash } from "node:crypto"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import * as Frames from "./frames.ts"

/** The messages to send, and when. */
export interface Load {
  readonly kind: "trades" | "depth" | "nothing" | "resets"
  /** The number of symbols. */
  readonly symbols: number
  /** Messages per second; 0 sends as fast as the socket takes them. */
  readonly rate: number
  /** The number of messages after which the load closes the connection; 0 never closes it. */
  readonly count: number
  /** The number of subscribed streams at which sending begins; 0 begins when the connection opens. */
  readonly subscriptions: number
}

const chunkMessages = 250
const highWaterMark = 1024 * 1024
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const parseLoad: (text: string) => Load = JSON.parse
const load = parseLoad(process.argv[2] ?? "{}")

// -----------------------------------------------------------------------------------------------------------------------
// Sending

const drained = (socket: Net.Socket) =>
  new Promise<void>((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done)
      resolve()
    }
    socket.on("drain", done).on("close", done)
  })

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

const unpaced = async (socket: Net.Socket, { chunk, messagesPerChunk }: Frames.Supply) => {
  for (let sent = 0; !socket.destroyed && (load.count === 0 || sent < load.count); sent += messagesPerChunk) {
    if (!socket.write(chunk())) await drained(socket)
  }
}

// Sends each message at its own time, in its own write. Timers are too coarse, so it polls the clock on every turn.
const paced = async (socket: Net.Socket, { next }: Frames.Supply) => {
  const start = Frames.micros()
  for (let sent = 0; !socket.destroyed && (load.count === 0 || sent < load.count);) {
    const due = Math.floor((Frames.micros() - start) * load.rate / 1e6)
    for (; sent < due; sent++) socket.write(next(true))
    if (socket.writableNeedDrain) await drained(socket)
    await nextTurn()
  }
}

const send = async (socket: Net.Socket, combined: boolean) => {
  const pattern = load.kind === "depth" ? Frames.depth(combined) : Frames.trades(load.symbols, combined)
  const supply = Frames.supply(pattern, chunkMessages)
  await (load.rate === 0 ? unpaced(socket, supply) : paced(socket, supply))
  if (!socket.destroyed) socket.end(Buffer.from([0x88, 2, 1000 >>> 8, 1000 & 255]))
}

// -----------------------------------------------------------------------------------------------------------------------
// Receiving

interface Request {
  readonly id: unknown
  readonly params: ReadonlyArray<string>
}
const parseRequest: (text: string) => Request = JSON.parse

// Parses the whole frames of a client, unmasked. `rest` has the bytes of an incomplete frame.
const framesIn = (bytes: Buffer): { readonly frames: ReadonlyArray<{ readonly opcode: number; readonly payload: Buffer }>; readonly rest: Buffer } => {
  const frames: Array<{ readonly opcode: number; readonly payload: Buffer }> = []
  let at = 0
  while (bytes.length - at >= 6) {
    const short = (bytes[at + 1] ?? 0) & 127
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length - at < head + 4) break
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    const end = at + head + 4 + length
    if (bytes.length < end) break
    const mask = bytes.subarray(at + head, at + head + 4)
    const payload = Buffer.from(bytes.subarray(at + head + 4, end))
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
    frames.push({ opcode: (bytes[at] ?? 0) & 15, payload })
    at = end
  }
  return { frames, rest: bytes.subarray(at) }
}

let snapshotTaken: (() => void) | undefined

const serve = (socket: Net.Socket, path: string) => {
  const combined = !path.includes("/ws")
  let subscribed = 0
  let begun = false
  let buffered: Buffer = Buffer.alloc(0)
  const begin = async () => {
    if (begun || subscribed < load.subscriptions || load.kind === "nothing" || load.kind === "resets") return
    begun = true
    // Clients fetch the snapshot after the first update, so the load sends one update and waits for the fetch.
    if (load.kind === "depth") {
      await sleep(50)
      const first = Frames.supply(Frames.depth(combined), 1)
      const fetched = new Promise<void>((resolve) => {
        snapshotTaken = resolve
      })
      socket.write(first.next(false))
      await Promise.race([fetched, sleep(500)])
      await sleep(100)
    }
    await send(socket, combined)
  }
  const receive = (bytes: Buffer) => {
    const { frames, rest } = framesIn(Buffer.concat([buffered, bytes]))
    buffered = rest
    for (const { opcode, payload } of frames) {
      if (opcode === 8) socket.end(Buffer.from([0x88, 0]))
      if (opcode === 9) socket.write(Buffer.concat([Buffer.from([0x8a, payload.length]), payload]))
      if (opcode !== 1) continue
      const { id, params } = parseRequest(payload.toString())
      socket.write(Frames.frame(JSON.stringify({ result: null, id })))
      subscribed += params.length
      if (load.kind === "resets") void reset(socket)
      else void begin()
    }
  }
  socket.on("data", receive)
  subscribed += /streams=([^&]+)/.exec(path)?.[1]?.split("/").length ?? 0
  void begin()
}

// The first message of a connection has the time at which the previous connection was reset.
let resetAt = Frames.micros()
const reset = async (socket: Net.Socket) => {
  socket.write(Frames.frame(JSON.stringify({ resetAt })))
  await sleep(10)
  resetAt = Frames.micros()
  socket.resetAndDestroy()
}

const answer = (socket: Net.Socket, head: string) => {
  const path = head.split(" ")[1] ?? "/"
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1]
  if (key !== undefined) {
    const accept = createHash("sha1").update(key + guid).digest("base64")
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
    )
    serve(socket, path)
    return
  }
  const body = Frames.snapshot(Number(/limit=(\d+)/.exec(path)?.[1] ?? 1_000))
  socket.end(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
  snapshotTaken?.()
}

const server = Net.createServer({ highWaterMark, noDelay: true }, (socket) => {
  let head = ""
  const read = (bytes: Buffer) => {
    head += bytes.toString("latin1")
    if (!head.includes("\r\n\r\n")) return
    socket.off("data", read)
    answer(socket, head)
  }
  socket.on("data", read)
  // Every run ends with the exit of the contestant, which resets its connections.
  socket.on("error", () => undefined)
})

server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  const address = server.address()
  if (address !== null && typeof address === "object") process.send?.(address.port)
})
process.on("disconnect", () => process.exit(0))
