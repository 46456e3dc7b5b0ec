// A program that leaves all of its loops, for `left.test.ts`. It prints what still keeps the process alive, and has to end by
// itself.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Exchange } from "holdfast/binance/exchange"
import { binance, connect } from "holdfast/promise"
import { serve } from "./server.ts"

const print = (line: string) => {
  process.stdout.write(`${line}\n`)
}

const resources = () =>
  process.getActiveResourcesInfo().filter((name) => /^(?:TCPSocketWrap|TCPServerWrap|TLSWrap|Timeout|Immediate)$/.test(name))

const leave = async (messages: AsyncIterable<unknown>) => {
  for await (const _ of messages) break
  try {
    for await (const message of messages) throw new Error(String(message))
  } catch {
    // Thrown on purpose.
  }
  const iterator = messages[Symbol.asyncIterator]()
  await iterator.next()
  const waiting = iterator.next()
  await iterator.return?.()
  await waiting
}

const leaveConnection = async () => {
  await using server = await serve()
  await using connection = connect(server.url)
  const peer = await server.accepted()
  // It is not awaited: it ends when the process does.
  void (async () => {
    for (let i = 0; peer.readyState === peer.OPEN; i++) await new Promise<void>((done) => peer.send(String(i), () => { setTimeout(done, 5) }))
  })()
  await leave(connection.messages)
}

const leaveFeed = async () => {
  const scope = Effect.runSync(Scope.make())
  const exchange = await Effect.runPromise(Scope.extend(Exchange.make({ tradesPerSecond: 100 }), scope))
  const feed = binance({ venue: { ws: exchange.wsUrl, rest: exchange.restUrl } })
  // The exchange sees the end of a connection a little later than we do.
  const open = async (count: number) => {
    while ((await Effect.runPromise(exchange.stats)).open !== count) await new Promise((resolve) => setImmediate(resolve))
    return count
  }
  // The last loop that is left closes the feed.
  await leave(feed.trades("BTCUSDT"))
  print(`open after the last loop: ${await open(0)}`)
  const other = feed.trades("ETHUSDT")[Symbol.asyncIterator]()
  await other.next()
  for await (const _ of feed.trades("BTCUSDT")) break
  print(`open while another loop goes on: ${await open(1)}`)
  await other.return?.()
  print(`open after that: ${await open(0)}`)
  await Effect.runPromise(Scope.close(scope, Exit.void))
}

await leaveConnection()
await leaveFeed()
// What has just been closed is gone by the next turn.
setImmediate(() => {
  setImmediate(() => {
    print(`left: ${resources().join(" ")}`)
  })
})
