// Removes from shown text what was sent with an upgrade. A peer often quotes the request that it refuses, in another encoding.
import * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import type { AttemptError, ReconnectRequested, SendError } from "../../ConnectionError.ts"
import * as Errors from "../../ConnectionError.ts"
import type { Bytes } from "./escapes.ts"
import { bytesOf, levelsOf } from "./escapes.ts"
import type { Needles, Sent } from "./secrets.ts"
import { needlesOf, shortestSecret, wellKnown } from "./secrets.ts"

const mark = "…"

// ---------------------------------------------------------------------------------------------------------------------
// Search

type Span = readonly [from: number, to: number]

const occurrences = (text: string, needle: string): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) found.push(at)
  return found
}

// What may follow a text that was cut: half an escape, or marks of the one who cut it.
const afterCut = /(?:%[\da-f]?|&#?\w{0,8}|\\(?:[ux][\da-f]{0,3})?)?[\s"'`.…)\]}>]*$/i

// The beginning of a secret at the end of a text, which a cut left there.
const cutAt = (text: string, needle: string): number | undefined => {
  for (let length = Math.min(needle.length - 1, text.length); length >= shortestSecret; length--) {
    if (text.endsWith(needle.slice(0, length)) && !wellKnown.has(needle.slice(0, length).trim())) return text.length - length
  }
  return undefined
}

const isCode = /[\w+/=-]/

const spansOf = ({ from, text: given, to }: Bytes, end: number, { coded, plain }: Needles): ReadonlyArray<Span> => {
  const text = given.toLowerCase()
  const span = (first: number, last: number): Span => [from[first] ?? 0, to[last] ?? end]
  const aroundCode = (at: number, length: number): Span => {
    let first = at
    let last = at + length - 1
    while (first > 0 && isCode.test(text.charAt(first - 1))) first--
    while (last + 1 < text.length && isCode.test(text.charAt(last + 1))) last++
    return span(first, last)
  }
  // "…" is three bytes, and stays whole.
  const ends = [text, text.replace(/(?:\xe2\x80\xa6|\xef\xbf\xbd)+$/, "").replace(afterCut, "")]
  return [
    ...plain.flatMap((needle) => occurrences(text, needle).map((at) => span(at, at + needle.length - 1))),
    ...coded.flatMap((needle) => occurrences(text, needle).map((at) => aroundCode(at, needle.length))),
    ...[...plain, ...coded].flatMap((needle) =>
      ends.flatMap((cut) => {
        const at = cutAt(cut, needle)
        return at === undefined ? [] : [[from[at] ?? 0, end] as const]
      })
    )
  ]
}

const withoutSpans = (text: string, spans: ReadonlyArray<Span>): string => {
  let shown = ""
  let at = 0
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from >= at) shown += `${text.slice(at, from)}${shown.endsWith(mark) && from === at ? "" : mark}`
    at = Math.max(at, to)
  }
  return shown + text.slice(at)
}

// The user, the path and the query of any URL: an error may quote another one than that of the connection.
// Not those of files: a stack trace has many.
const urls = /(?<![a-z\d+.-])(?!file:)([a-z][a-z\d+.-]*:\/\/)(?:[^\s/?#"'<>]*@)?([^\s/?#"'<>]*)(?:[/?#][^\s"'<>]*)?/gi

const withoutUrls = (text: string): string => text.replaceAll(urls, (url, scheme: string, host: string) => {
  const origin = `${scheme}${host}`
  return url === origin || url === `${origin}/` ? url : `${origin}/${mark}`
})

// ---------------------------------------------------------------------------------------------------------------------
// The redactor

// The dials whose secrets are removed: a late error may quote the token of the dial before.
const remembered = 2

// The longest body of a refusal that an error shows, in characters. It is cut after its secrets are removed.
const longestBody = 512

// A class, because each connection has one. It looks for secrets only when a text of others is shown.
export class Redactor {
  #sent: ReadonlyArray<Sent> = []
  #needles: Needles | undefined

  /** Adds what a dial sends. */
  sends(sent: Sent): void {
    const last = this.#sent[this.#sent.length - 1]
    if (last !== undefined && isSame(last, sent)) return
    this.#sent = [...this.#sent.slice(1 - remembered), sent]
    this.#needles = undefined
  }

  /** Removes the secrets from a text of the peer, and the beginning of one that was cut. */
  text(text: string): string {
    if (text === "" || this.#sent.length === 0) return text
    const needles = this.#needles ??= needlesOf(this.#sent)
    return withoutSpans(text, levelsOf(bytesOf(text)).flatMap((level) => spansOf(level, text.length, needles)))
  }

  /** Removes the secrets from a failed attempt, and shortens what the server answered. */
  attempt(error: AttemptError): AttemptError {
    switch (error._tag) {
      case "ConnectionClosed":
        return new Errors.ConnectionClosed({ ...error, reason: this.text(error.reason) })
      case "HandshakeRejected":
        return new Errors.HandshakeRejected({ ...error, body: this.text(error.body).slice(0, longestBody) })
      case "DialFailed":
        return new Errors.DialFailed({ ...error, reason: this.text(error.reason) })
      case "InvalidUrl":
        return new Errors.InvalidUrl({ ...error, reason: this.text(error.reason) })
      case "UrlUnavailable":
        return new Errors.UrlUnavailable({ ...error, cause: this.error(error.cause) })
      case "OnOpenFailed":
        return new Errors.OnOpenFailed({ ...error, cause: this.error(error.cause) })
      default:
        return error
    }
  }

  /** Removes the secrets from what ended a connection. */
  end(error: AttemptError | ReconnectRequested): AttemptError | ReconnectRequested {
    return error._tag === "ReconnectRequested"
      ? new Errors.ReconnectRequested({ reason: this.text(error.reason) })
      : this.attempt(error)
  }

  /** Removes the secrets from a failed send. */
  sendError(error: SendError): SendError {
    return error._tag === "SendFailed" ? new Errors.SendFailed({ ...error, reason: this.text(error.reason) }) : error
  }

  /** Removes the secrets from an error of a user's function, and what is secret in any URL. Errors stay of their class. */
  error(error: unknown): unknown {
    return this.#unknown(error, new Set())
  }

  /** Removes the secrets from the defects of a cause. */
  cause<E>(cause: Cause.Cause<E>): Cause.Cause<E> {
    return this.#each(cause, (error) => error)
  }

  /** Removes the secrets from the failures and the defects of a cause. */
  failures<E extends AttemptError>(cause: Cause.Cause<E>): Cause.Cause<AttemptError> {
    return this.#each(cause, (error) => this.attempt(error))
  }

  #each<E, E2>(cause: Cause.Cause<E>, change: (error: E) => E2): Cause.Cause<E2> {
    return Cause.match(cause, {
      onEmpty: Cause.empty,
      onFail: (error) => Cause.fail(change(error)),
      onDie: (defect) => Cause.die(this.error(defect)),
      onInterrupt: Cause.interrupt,
      onSequential: Cause.sequential,
      onParallel: Cause.parallel
    })
  }

  // `seen` stops at circles. A value without secrets stays the same object.
  #unknown(value: unknown, seen: ReadonlySet<unknown>): unknown {
    if (typeof value === "string") return withoutUrls(this.text(value))
    if (typeof value !== "object" || value === null || seen.has(value)) return value
    const inside = new Set([...seen, value])
    if (Array.isArray(value)) {
      const items: ReadonlyArray<unknown> = value
      const shown = items.map((item) => this.#unknown(item, inside))
      return shown.every((item, index) => item === items[index]) ? value : shown
    }
    const stack = value instanceof Error ? value.stack : undefined
    if (!(value instanceof Error) && !isPlain(value)) return value
    const properties = Object.entries(Object.getOwnPropertyDescriptors(value))
    const changed = properties.flatMap(([key, property]) => {
      const before: unknown = key === "stack" ? stack : property.value
      const after = key === "stack" && value instanceof Error && stack !== undefined
        ? this.text(stack.replaceAll(value.message, withoutUrls(value.message)))
        : this.#unknown(before, inside)
      const { enumerable = false } = property
      return after === before ? [] : [[key, { value: after, enumerable, configurable: true, writable: true }] as const]
    })
    if (changed.length === 0) return value
    const copy: unknown = Object.create(Reflect.getPrototypeOf(value), Object.fromEntries([...properties, ...changed]))
    return copy
  }
}

const isPlain = (value: object): boolean => {
  const prototype = Reflect.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isSame = (a: Sent, b: Sent) =>
  a.headers === b.headers && a.protocols === b.protocols && Redacted.value(a.url) === Redacted.value(b.url)
