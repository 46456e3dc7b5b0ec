// Reads the data of WHATWG events. The interface promises their types, but constructors that only resemble it exist.
import * as Predicate from "effect/Predicate"
import type { Message } from "../../Transport.ts"

/** The data of a message: there at once, or to be read later, as a Blob is. */
export type Content =
  | { readonly _tag: "Ready"; readonly message: Message }
  | { readonly _tag: "Later"; readonly size: number; readonly read: () => Promise<Message> }
  | { readonly _tag: "Unknown" }

const unknown: Content = { _tag: "Unknown" }
const ready = (message: Message): Content => ({ _tag: "Ready", message })

// An ArrayBuffer of another realm, such as a frame's, is no instance of ours.
const isArrayBuffer = (data: unknown): data is ArrayBuffer =>
  data instanceof ArrayBuffer || Object.prototype.toString.call(data) === "[object ArrayBuffer]"

const isBlob = (data: unknown): data is Blob =>
  Predicate.hasProperty(data, "arrayBuffer") && typeof data.arrayBuffer === "function" && Predicate.hasProperty(data, "size") &&
  typeof data.size === "number"

export const contentOf = (data: unknown): Content => {
  if (typeof data === "string") return ready(data)
  if (isArrayBuffer(data)) return ready(new Uint8Array(data))
  if (data instanceof Uint8Array) return ready(data)
  if (ArrayBuffer.isView(data)) return ready(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (!isBlob(data)) return unknown
  return { _tag: "Later", size: data.size, read: () => data.arrayBuffer().then((bytes) => new Uint8Array(bytes)) }
}

/** A number of an event or a socket, if it has one. */
export const numberOf = (value: unknown, fallback: number): number =>
  typeof value === "number" && Number.isFinite(value) ? value : fallback

/** A text of an event or a socket, if it has one. */
export const textOf = (value: unknown): string => typeof value === "string" ? value : ""

/** What an `error` event says: nothing in a browser, an error with a code for `ws`. */
export interface Trouble {
  readonly code: string | undefined
  readonly reason: string
}

const codePattern = /^[A-Z][A-Z0-9_]+$/

export const troubleOf = (event: unknown): Trouble => {
  const error = Predicate.hasProperty(event, "error") ? event.error : undefined
  const source = Predicate.hasProperty(error, "message") ? error : event
  const code = Predicate.hasProperty(error, "code") ? textOf(error.code) : ""
  return {
    code: codePattern.test(code) ? code : undefined,
    reason: Predicate.hasProperty(source, "message") ? textOf(source.message) : ""
  }
}
