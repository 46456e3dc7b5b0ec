// Follows the events of feeds and connections: which outages there were, what was missed, and what was fetched of it. It holds the
// latest of each.
import * as Duration from "effect/Duration"
import type { ConnectionEvent } from "../../ConnectionEvent.ts"
import type { FeedEvent } from "../../market/MarketFeed.ts"
import * as Message from "../../observe/Message.ts"
import type { Board } from "./board.ts"

// Fetched events of one stream that come within this time of each other are one repair, in milliseconds.
const repairPause = 5_000
// Between the time of data and what is computed from the time without data, in milliseconds.
const rounding = 100

interface Down {
  readonly since: number
  /** The outage, once something has failed. */
  outage: Mutable<Message.Outage> | undefined
  attempts: number
  reason: string | undefined
}

type Fields<A> = Omit<A, never>
type Mutable<A> = { -readonly [K in keyof Fields<A>]: A[K] }

// Holds the latest changes of one type on the board.
class Latest {
  readonly #board: Board
  readonly #prefix: string
  readonly #most: number
  readonly #keys: Array<string> = []
  #ids = 0

  constructor(board: Board, prefix: string, most: number) {
    this.#board = board
    this.#prefix = prefix
    this.#most = most
  }

  nextId(): number {
    const id = ++this.#ids
    this.#keys.push(`${this.#prefix}:${id}`)
    if (this.#keys.length > this.#most) this.#board.remove(this.#keys.shift() ?? "")
    return id
  }

  /** Whether it is still held. */
  holds(id: number): boolean {
    return id > this.#ids - this.#most
  }

  set(change: Message.Outage | Message.Gap | Message.Repair): void {
    if (this.holds(change.id)) this.#board.set(`${this.#prefix}:${change.id}`, change)
  }
}

export class History {
  readonly #most: number
  readonly #outages: Latest
  readonly #gaps: Latest
  readonly #repairs: Latest
  readonly #down = new Map<string, Down>()
  // The last outage of each connection that is there.
  readonly #lastOutages = new Map<string, Mutable<Message.Outage>>()
  // The connection that each stream was last seen on.
  #connectionOf: ReadonlyMap<string, string> = new Map()
  readonly #openRepairs = new Map<string, Mutable<Message.Repair>>()
  // Streams that REST showed newer data of, and the time of their last data then.
  readonly #stale = new Map<string, number>()

  constructor(board: Board, most: number) {
    this.#most = most
    this.#outages = new Latest(board, "outage", most)
    this.#gaps = new Latest(board, "gap", most)
    this.#repairs = new Latest(board, "repair", most)
  }

  /** Since when a connection has not been open, and why; undefined while it is, and before anything is known of it. */
  downOf(connection: string): { readonly since: number; readonly reason: string | undefined } | undefined {
    return this.#down.get(connection)
  }

  /** Whether REST has shown newer data of a stream than a connection had, which has had its last data at that time. */
  isStale(stream: string, lastData: number | undefined): boolean {
    const silentSince = this.#stale.get(stream)
    return silentSince !== undefined && (lastData ?? Number.NEGATIVE_INFINITY) <= silentSince + rounding
  }

  /** Notes which connection carries each stream. */
  carried(connectionOf: ReadonlyMap<string, string>): void {
    this.#connectionOf = connectionOf
    for (const stream of this.#stale.keys()) if (!connectionOf.has(stream)) this.#stale.delete(stream)
  }

  /** Forgets a connection that is gone. An outage that had not ended never does. */
  forget(connection: string): void {
    this.#down.delete(connection)
    this.#lastOutages.delete(connection)
  }

  /** The connections of a feed have the names `nameOf` gives them here. */
  feed(event: FeedEvent, nameOf: (connection: string) => string): void {
    switch (event._tag) {
      case "Connection":
        this.connection(nameOf(event.connection), event.event)
        return
      case "Session": {
        const { event: of } = event
        if (of._tag === "Stale") this.#stale.set(of.topic, of.at - Duration.toMillis(of.idleFor))
        else if (of._tag === "Live") this.#stale.delete(of.topic)
        return
      }
      case "Gap": {
        const { at, gap: { data: { cause, from, stream, to } } } = event
        this.#gaps.set(new Message.Gap({
          id: this.#gaps.nextId(),
          at,
          stream,
          from: from ?? null,
          to: to ?? null,
          cause: cause._tag,
          reason: cause.message
        }))
        this.#toOutage(stream, (outage) => {
          outage.gaps++
        })
        return
      }
      case "Repairing":
        this.#repair(event.stream, event.at, (repair) => {
          repair.left = event.left
          repair.estimated = Duration.toMillis(event.estimated)
        })
        return
      case "Repaired":
        this.#repair(event.stream, event.at, (repair) => {
          repair.events += event.events
        })
        this.#toOutage(event.stream, (outage) => {
          outage.repaired += event.events
        })
        return
      case "BookCompared":
      case "InvalidMessage":
      case "EventsDropped":
    }
  }

  connection(connection: string, event: ConnectionEvent): void {
    switch (event._tag) {
      case "Dialling":
        this.#goDown(connection, event.at).attempts++
        return
      case "Lost":
        this.#fail(connection, event.at, event.cause._tag, event.cause.message)
        return
      case "AttemptFailed":
        this.#fail(connection, event.at, event.cause._tag, event.cause.message)
        return
      case "Failed":
        this.#fail(connection, event.at, event.error._tag, event.error.message)
        return
      case "Opened":
        this.#end(connection, event.at)
        return
      case "Disconnected":
        this.#end(connection, event.at)
        this.#goDown(connection, event.at).reason = "It was disconnected on request."
        return
      case "Closed":
        this.#end(connection, event.at)
        return
      case "Died":
        this.#goDown(connection, event.at).reason = "A defect ended it: see the log."
        return
      case "Waiting":
      case "Gap":
      case "EventsDropped":
    }
  }

  #goDown(connection: string, at: number): Down {
    const known = this.#down.get(connection)
    if (known !== undefined) return known
    const down: Down = { since: at, outage: undefined, attempts: 0, reason: undefined }
    this.#down.set(connection, down)
    return down
  }

  #fail(connection: string, at: number, error: string, reason: string): void {
    const down = this.#goDown(connection, at)
    down.reason = reason
    down.outage ??= {
      _tag: "Outage",
      id: this.#outages.nextId(),
      connection,
      began: down.since,
      ended: null,
      error,
      reason,
      attempts: 0,
      repaired: 0,
      gaps: 0
    }
    down.outage.attempts = down.attempts
    this.#lastOutages.set(connection, down.outage)
    const [oldest] = this.#lastOutages.keys()
    if (oldest !== undefined && this.#lastOutages.size > this.#most) this.#lastOutages.delete(oldest)
    this.#outages.set(new Message.Outage(down.outage))
  }

  #end(connection: string, at: number): void {
    const down = this.#down.get(connection)
    this.#down.delete(connection)
    if (down?.outage === undefined) return
    down.outage.attempts = down.attempts
    down.outage.ended = at
    this.#outages.set(new Message.Outage(down.outage))
  }

  #toOutage(stream: string, change: (outage: Mutable<Message.Outage>) => void): void {
    const outage = this.#lastOutages.get(this.#connectionOf.get(stream) ?? "")
    if (outage === undefined) return
    change(outage)
    this.#outages.set(new Message.Outage(outage))
  }

  #repair(stream: string, at: number, change: (repair: Mutable<Message.Repair>) => void): void {
    const known = this.#openRepairs.get(stream)
    const repair: Mutable<Message.Repair> = known !== undefined && at - known.at < repairPause
      ? known
      : { _tag: "Repair", id: this.#repairs.nextId(), began: at, at, stream, events: 0, left: null, estimated: null }
    repair.at = at
    change(repair)
    this.#openRepairs.set(stream, repair)
    this.#repairs.set(new Message.Repair(repair))
    for (const [other, { id }] of this.#openRepairs) if (!this.#repairs.holds(id)) this.#openRepairs.delete(other)
  }
}
