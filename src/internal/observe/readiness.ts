// Decides whether all that is desired is had: a pure function of what is known.
import type * as Schema from "effect/Schema"
import type * as Message from "../../observe/Message.ts"

export type Reason = Schema.Schema.Type<typeof Message.Reason>

/** A stream on a connection. `isStale`: REST has shown newer data of it that did not arrive. */
export interface Stream {
  readonly name: string
  readonly isAcknowledged: boolean
  readonly isStale: boolean
}

export interface Connection {
  readonly id: string
  readonly isOpen: boolean
  /** Why it is not open. */
  readonly reason: string | undefined
  readonly state: string
  /** Whether it is desired for itself, and not only for its streams. */
  readonly isDesired: boolean
  readonly streams: ReadonlyArray<Stream>
}

export interface Known {
  readonly connections: ReadonlyArray<Connection>
  /** The streams that are desired, whether or not there are subscriptions. */
  readonly desired: ReadonlyArray<string>
  /** Why a desired stream has ended, if it has. */
  readonly whyEnded: (stream: string) => string | undefined
  readonly books: ReadonlyArray<{ readonly symbol: string; readonly stale: string | undefined }>
}

const namesAtMost = 20

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`

type Problem = "disconnected" | "unacknowledged" | "stale"

const problemOf = (connection: Connection, stream: Stream): Problem | undefined => {
  if (!connection.isOpen) return "disconnected"
  if (!stream.isAcknowledged) return "unacknowledged"
  return stream.isStale ? "stale" : undefined
}

const sentences: Readonly<Record<Problem, (connection: Connection, streams: ReadonlyArray<string>) => string>> = {
  disconnected: ({ id, reason, state }, streams) =>
    `Connection ${id} is ${state.toLowerCase()}${streams.length === 0 ? "" : `, and ${plural(streams.length, "stream")} with it`}.${reason === undefined ? "" : ` ${reason}`}`,
  unacknowledged: ({ id }, streams) => `The peer has not acknowledged ${plural(streams.length, "stream")} on connection ${id}.`,
  stale: ({ id }, streams) => `REST has shown newer data of ${plural(streams.length, "stream")} that did not arrive on connection ${id}.`
}

/**
 * Returns the reasons why something desired is not had. A stream that runs on several connections is had if one of them brings it.
 * A stream may be quiet.
 */
export const reasonsOf = ({ books, connections, desired, whyEnded }: Known): ReadonlyArray<Reason> => {
  const had = new Set<string>()
  const subscribed = new Set<string>()
  for (const connection of connections) {
    for (const stream of connection.streams) {
      subscribed.add(stream.name)
      if (problemOf(connection, stream) === undefined) had.add(stream.name)
    }
  }
  const reasons: Array<Reason> = []
  for (const connection of connections) {
    const byProblem = new Map<Problem, Array<string>>(connection.isDesired && !connection.isOpen ? [["disconnected", []]] : [])
    for (const stream of connection.streams) {
      const problem = problemOf(connection, stream)
      if (problem === undefined || had.has(stream.name)) continue
      byProblem.set(problem, [...byProblem.get(problem) ?? [], stream.name])
    }
    for (const [reason, streams] of byProblem) {
      reasons.push({ reason, connection: connection.id, streams: streams.slice(0, namesAtMost), message: sentences[reason](connection, streams) })
    }
  }
  const missing = desired.filter((name) => !subscribed.has(name))
  if (missing.length > 0) {
    const why = missing.map(whyEnded).find((sentence) => sentence !== undefined)
    const message = `${plural(missing.length, "desired stream")} ${missing.length === 1 ? "has" : "have"} no subscription${why === undefined ? ": ended, or not begun yet." : `. ${why}`}`
    reasons.push({ reason: "missing", connection: null, streams: missing.slice(0, namesAtMost), message })
  }
  for (const { stale, symbol } of books) {
    if (stale !== undefined) reasons.push({ reason: "book", connection: null, streams: [], message: `The book of ${symbol} is stale: ${stale}.` })
  }
  return reasons
}
