// The interface of a contestant: a client that reads trades from the exchange, and reports each to the bench.
import { readFileSync } from "node:fs"

/** The address of the exchange, and the symbol to read. */
export interface Target {
  /** For example `ws://127.0.0.1:9443`. Clients dial `/ws` or `/stream` under it. */
  readonly ws: string
  /** For example `http://127.0.0.1:9443`. The REST interface is under its `/api/v3`. */
  readonly rest: string
  /** For example `BTCUSDT`. */
  readonly symbol: string
  /**
   * The maximum number of retries, for clients with such an option. Undefined: as the client's documentation
   * recommends.
   */
  readonly maxRetries: number | undefined
}

/** Receives all that a user of the client can see. */
export interface Reader {
  readonly trade: (id: number) => void
  /** The client reported that these trades are missing. */
  readonly missing: (from: number | undefined, to: number | undefined) => void
  /** The client reported something about its connection: an event, an error, a rejection. */
  readonly notice: (text: string) => void
}

export interface Running {
  /** The documented way to resume after the client gave up. Undefined: there is none. */
  readonly revive: (() => void) | undefined
}

export interface Contestant {
  readonly name: string
  readonly version: string
  /** Its configuration, with reasons, in one line. Shown in docs/comparison.md. */
  readonly configuration: string
  /** The option that limits its retries. Undefined: it has none. */
  readonly limit: string | undefined
  readonly start: (target: Target, reader: Reader) => Running | Promise<Running>
}

const isVersioned = (json: unknown): json is { readonly version: string } =>
  typeof json === "object" && json !== null && "version" in json && typeof json.version === "string"

/** The version in the package.json at this path, relative to this folder. */
export const versionIn = (path: string): string => {
  const json: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"))
  return isVersioned(json) ? json.version : "unknown"
}

/** The id of the trade in a message of a combined stream. Undefined if the message is not JSON, or no trade. */
export const tradeIn = (message: unknown): number | undefined => {
  if (typeof message !== "string") return undefined
  try {
    const json: unknown = JSON.parse(message)
    return typeof json === "object" && json !== null && "data" in json ? idOf(json.data) : undefined
  } catch {
    return undefined
  }
}

/** The id of a raw trade event. Undefined if it is none. */
export const idOf = (event: unknown): number | undefined =>
  typeof event === "object" && event !== null && "e" in event && event.e === "trade" && "t" in event &&
    typeof event.t === "number"
    ? event.t
    : undefined

/** Formats an error, or an event that stands for one: its name, code and message. */
export const said = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  const parts = [
    "name" in error && typeof error.name === "string" ? error.name : "",
    "code" in error && (typeof error.code === "string" || typeof error.code === "number") ? `code ${error.code}` : "",
    "message" in error && typeof error.message === "string" ? error.message : ""
  ].filter((part) => part !== "")
  return parts.length === 0 ? "nothing more" : parts.join(": ")
}
