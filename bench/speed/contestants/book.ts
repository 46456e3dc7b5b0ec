// Maintains an order book, and reads the ten best levels of each side after every ten updates.
import sorted from "sorted-btree"
import * as Frames from "../frames.ts"
import type { Task } from "./child.ts"
import { consumed, main, meter, subscribe } from "./child.ts"

type Level = readonly [price: string, quantity: string]

interface Snapshot {
  readonly lastUpdateId: number
  readonly bids: ReadonlyArray<Level>
  readonly asks: ReadonlyArray<Level>
}

interface Update {
  readonly e: "depthUpdate"
  readonly E: number
  readonly s: string
  readonly U: number
  readonly u: number
  readonly b: ReadonlyArray<Level>
  readonly a: ReadonlyArray<Level>
}

const parse: (text: string) => { readonly data?: Update } = JSON.parse
const parseSnapshot: (text: string) => Snapshot = JSON.parse

const readEvery = 10
const levels = 10
const depth = 1_000

const read = (count: number) => {
  consumed.ids += count
}

/** A hand-written book. `top` reads the best levels of both sides, and returns their number. */
interface Book {
  readonly apply: (update: Pick<Update, "a" | "b">) => void
  readonly top: () => number
}

const btree = (): Book => {
  const side = () => new sorted.default<number, string>()
  const bids = side()
  const asks = side()
  const set = (tree: typeof bids, sign: number, [price, quantity]: Level) => {
    if (Number(quantity) === 0) tree.delete(sign * Number(price))
    else tree.set(sign * Number(price), quantity)
  }
  const best = (tree: typeof bids) => {
    const found: Array<readonly [number, string]> = []
    for (const entry of tree.entries()) {
      found.push(entry)
      if (found.length === levels) break
    }
    return found
  }
  return {
    apply: ({ a, b }) => {
      for (const level of b) set(bids, -1, level)
      for (const level of a) set(asks, 1, level)
    },
    top: () => best(bids).length + best(asks).length
  }
}

const ccxt = async (port: number): Promise<Book> => {
  const { exchange } = await import("./ccxt.ts")
  // ccxt's data structure, without its client.
  const book: {
    readonly bids: Side
    readonly asks: Side
  } = (await exchange(port)).orderBook()
  return {
    apply: ({ a, b }) => {
      for (const [price, quantity] of b) book.bids.store(Number(price), Number(quantity))
      for (const [price, quantity] of a) book.asks.store(Number(price), Number(quantity))
    },
    top: () => Array.from(book.bids.slice(0, levels)).length + Array.from(book.asks.slice(0, levels)).length
  }
}

interface Side {
  readonly store: (price: number, quantity: number) => void
  readonly slice: (from: number, to: number) => ArrayLike<readonly [number, number]>
}

const byHand = async (task: Task, book: Book) => {
  const { WebSocket } = await import("ws")
  const { done, tick } = meter(task)
  const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
  let last: number | undefined
  let applied = 0
  const held: Array<Update> = []
  const take = (update: Update, known: number) => {
    if (update.u <= known) return
    book.apply(update)
    last = update.u
    if (++applied % readEvery === 0) read(book.top())
    tick(1)
  }
  ws.on("open", () => {
    ws.send(subscribe("btcusdt@depth@100ms"))
    const load = async () => {
      const answer = await fetch(`http://127.0.0.1:${task.port}/api/v3/depth?symbol=BTCUSDT&limit=${depth}`)
      const snapshot = parseSnapshot(await answer.text())
      book.apply({ b: snapshot.bids, a: snapshot.asks })
      last = snapshot.lastUpdateId
      for (const update of held) take(update, last)
    }
    setTimeout(() => void load(), 100)
  })
  ws.on("message", (bytes: Buffer) => {
    const { data } = parse(bytes.toString())
    if (data === undefined) return
    if (last === undefined) held.push(data)
    else take(data, last)
  })
  return done
}

// Measures a data structure alone: applies parsed updates repeatedly.
const inMemory = async (task: Task, apply: (update: Update) => void, top: () => number) => {
  const { length, text } = Frames.depth(true)
  const updates: Array<Update> = []
  for (let i = 0; i < length; i++) {
    const { data } = parse(text(i, String(Frames.firstId)))
    if (data !== undefined) updates.push(data)
  }
  const { done, tick } = meter(task)
  const state = { measuring: true }
  void done.then(() => {
    state.measuring = false
  })
  let id = Frames.firstId
  while (state.measuring) {
    for (let round = 0; round < 10; round++) {
      for (const update of updates) {
        apply({ ...update, U: id, u: id })
        if (id++ % readEvery === 0) read(top())
      }
      tick(updates.length)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return done
}

const begin = (): Snapshot => parseSnapshot(Frames.snapshot(depth))

main({
  "ws, sorted-btree": (task) => byHand(task, btree()),
  "ws, ccxt's OrderBook": async (task) => byHand(task, await ccxt(task.port)),
  "ccxt pro": async (task) => {
    const { exchange } = await import("./ccxt.ts")
    const { done, tick } = meter(task)
    const binance = await exchange(task.port)
    const watch = async () => {
      let last = 0
      let unread = 0
      for (;;) {
        const book = await binance.watchOrderBook("BTC/USDT")
        // The book may have several new updates: the ids say how many.
        const id = book.nonce ?? 0
        const count = last === 0 ? 1 : id - last
        for (unread += count; unread >= readEvery; unread -= readEvery) {
          read(book.bids.slice(0, levels).length + book.asks.slice(0, levels).length)
        }
        tick(count)
        last = id
      }
    }
    void watch()
    return done
  },
  "holdfast": async (task) => {
    const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.gen(function*() {
      const book = yield* (yield* feed(task.port)).orderBook("BTCUSDT", { levels: depth })
      yield* book.awaitSynced
      let unread = 0
      yield* Stream.runForEachChunk(book.changes, (chunk) => {
        let count = 0
        for (const change of chunk) {
          if (change._tag === "Stale") throw new Error(`The book is stale, although the load has no gaps: ${change.reason}.`)
          count += change._tag === "Skipped" ? change.count : 1
        }
        tick(count)
        const reads = Math.floor((unread + count) / readEvery)
        unread = (unread + count) % readEvery
        return reads === 0 ? Effect.void : Effect.repeatN(Effect.map(book.top(levels), ({ asks, bids }) => {
          read(bids.length + asks.length)
        }), reads - 1)
      })
    }))
    return done
  },
  "sorted-btree alone": async (task) => {
    const book = btree()
    const { asks, bids } = begin()
    book.apply({ b: bids, a: asks })
    return inMemory(task, book.apply, book.top)
  },
  "ccxt's OrderBook alone": async (task) => {
    const book = await ccxt(task.port)
    const { asks, bids } = begin()
    book.apply({ b: bids, a: asks })
    return inMemory(task, book.apply, book.top)
  },
  "holdfast's ladder alone": async (task) => {
    const { OrderBook } = await import("./holdfast.ts")
    const book = OrderBook.makeBook(begin(), depth)
    const apply = (update: Update) => {
      if (book.apply(update) !== "applied") throw new Error("An update was not applied.")
    }
    return inMemory(task, apply, () => {
      const { asks, bids } = book.top(levels)
      return bids.length + asks.length
    })
  }
})
