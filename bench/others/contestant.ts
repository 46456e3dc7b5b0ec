// What a client under test looks like to the bench: it is told where the exchange is, and hands over what it reads.
import { readFileSync } from "node:fs"

/** Where the exchange is, and what to read from it. */
export interface Target {
  /** Such as `ws://127.0.0.1:9443`, to which `/ws` and `/stream` belong. */
  readonly ws: string
  /** Such as `http://127.0.0.1:9443`, to which `/api/v3` belongs. */
  readonly rest: string
  /** Such as `BTCUSDT`. */
  readonly symbol: string
  /** How often to retry at most, where the client has such an option. Undefined: as its documentation recommends. */
  readonly maxRetries: number | undefined
}

/** What a client's user would see. */
export interface Reader {
  readonly trade: (id: number) => void
  /** The client itself said that these are missing. */
  readonly missing: (from: number | undefined, to: number | undefined) => void
  /** The client said something about its connection: an event, an error, a rejection. */
  readonly told: (what: string) => void
}

export interface Running {
  /** The documented way to go on after the client gave up, if there is one. */
  readonly revive: (() => void) | undefined
}

export interface Contestant {
  readonly name: string
  readonly version: string
  /** How it is configured, and why so. One line, for docs/comparison.md. */
  readonly configuration: string
  /** The option that limits its retries, if it has one. */
  readonly limit: string | undefined
  readonly start: (target: Target, reader: Reader) => Running | Promise<Running>
}

const isVersioned = (json: unknown): json is { readonly version: string } =>
  typeof json === "object" && json !== null && "version" in json && typeof json.version === "string"

/** The version in a package.json, by its path relative to this folder. */
export const versionIn = (path: string): string => {
  const json: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"))
  return isVersioned(json) ? json.version : "unknown"
}

/** The trade in a frame of a combined stream. What is not JSON, or no trade, is skipped, as a careful user would. */
export const tradeIn = (frame: unknown): number | undefined => {
  if (typeof frame !== "string") return undefined
  try {
    const json: unknown = JSON.parse(frame)
    return typeof json === "object" && json !== null && "data" in json ? idOf(json.data) : undefined
  } catch {
    return undefined
  }
}

/** The id of a raw trade event. */
export const idOf = (event: unknown): number | undefined =>
  typeof event === "object" && event !== null && "e" in event && event.e === "trade" && "t" in event &&
    typeof event.t === "number"
    ? event.t
    : undefined

/** What an error, or an event that stands for one, says of itself. */
export const said = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  const parts = [
    "name" in error && typeof error.name === "string" ? error.name : "",
    "code" in error && (typeof error.code === "string" || typeof error.code === "number") ? `code ${error.code}` : "",
    "message" in error && typeof error.message === "string" ? error.message : ""
  ].filter((part) => part !== "")
  return parts.length === 0 ? "nothing more" : parts.join(": ")
}
