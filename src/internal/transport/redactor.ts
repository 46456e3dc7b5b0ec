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

const longestTail = 64

const withoutTail = (text: string) => text.slice(0, -longestTail) + text.slice(-longestTail).replace(afterCut, "")

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
  return [
    ...plain.flatMap((needle) => occurrences(text, needle).map((at) => span(at, at + needle.length - 1))),
    ...coded.flatMap((needle) => occurrences(text, needle).map((at) => aroundCode(at, needle.length)))
  ]
}

// What a cut left of a secret, with all that follows.
const endsOf = ({ from, text: given }: Bytes, end: number, { coded, plain }: Needles): ReadonlyArray<Span> => {
  const text = given.toLowerCase()
  // "…" and the mark of bytes that are no text have three bytes.
  const ends = [text, withoutTail(text.replace(/(?:\xe2\x80\xa6|\xef\xbf\xbd)+$/, ""))]
  return [...plain, ...coded].flatMap((needle) =>
    ends.flatMap((cut): ReadonlyArray<Span> => {
      const at = cutAt(cut, needle)
      return at === undefined ? [] : [[from[at] ?? 0, end]]
    })
  )
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
    const levels = levelsOf(bytesOf(text, "fold"))
    const whole = withoutTail(text)
    // Half an escape at the end may look like a whole one.
    const ends = whole === text ? levels : [...levels, ...levelsOf(bytesOf(whole, "fold"))]
    return withoutSpans(text, [
      ...levels.flatMap((level) => spansOf(level, text.length, needles)),
      ...ends.flatMap((level) => endsOf(level, text.length, needles))
    ])
  }

  /** Removes the secrets from a failed attempt, and shortens what the server answered. */
  attempt(error: AttemptError): AttemptError {
    switch (error._tag) {
      case "ConnectionClosed": {
        const { code, errno, openFor } = error
        const reason = this.text(error.reason)
        return reason === error.reason ? error : new Errors.ConnectionClosed({ code, errno, openFor, reason })
      }
      case "HandshakeRejected": {
        const { retryAfter, status } = error
        const body = this.text(error.body).slice(0, longestBody)
        const headers = this.headers(error.headers)
        return body === error.body && headers === error.headers
          ? error
          : new Errors.HandshakeRejected({ status, retryAfter, headers, body })
      }
      case "DialFailed": {
        const reason = this.text(error.reason)
        return reason === error.reason ? error : new Errors.DialFailed({ code: error.code, reason })
      }
      case "OptionUnavailable": {
        const { option } = error
        const cause = this.error(error.cause)
        return cause === error.cause ? error : new Errors.OptionUnavailable({ option, cause })
      }
      case "OnOpenFailed": {
        const cause = this.error(error.cause)
        return cause === error.cause ? error : new Errors.OnOpenFailed({ cause })
      }
      default:
        return error
    }
  }

  /** Removes the secrets from what ended a connection. */
  end(error: AttemptError | ReconnectRequested): AttemptError | ReconnectRequested {
    if (error._tag !== "ReconnectRequested") return this.attempt(error)
    const reason = this.text(error.reason)
    return reason === error.reason ? error : new Errors.ReconnectRequested({ reason, close: error.close })
  }

  /** Removes the secrets from a failed send. */
  sendError(error: SendError): SendError {
    if (error._tag !== "SendFailed") return error
    const reason = this.text(error.reason)
    return reason === error.reason ? error : new Errors.SendFailed({ reason })
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

  /** Removes the secrets from the headers of an answer. Those that are not enumerable are not shown, and stay. */
  headers(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const changed = Object.entries(headers).flatMap(([name, value]) => {
      const shown = this.text(value)
      return shown === value ? [] : [[name, { value: shown, enumerable: true }] as const]
    })
    return changed.length === 0
      ? headers
      : Object.defineProperties<Record<string, string>>({}, { ...Object.getOwnPropertyDescriptors(headers), ...Object.fromEntries(changed) })
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
    const own: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(value)
    const properties = Object.entries(own)
    const changed = properties.flatMap(([key, property]) => {
      const before: unknown = key === "stack" ? stack : property.value
      const after = key === "stack" && value instanceof Error && stack !== undefined
        ? this.text(stack.replaceAll(value.message, withoutUrls(value.message)))
        : this.#unknown(before, inside)
      const { enumerable = false } = property
      return after === before ? [] : [[key, { value: after, enumerable, configurable: true, writable: true }] as const]
    })
    if (changed.length === 0) return value
    const copy: unknown = Object.create(Reflect.getPrototypeOf(value), { ...own, ...Object.fromEntries(changed) })
    return copy
  }
}

const isPlain = (value: object): boolean => {
  const prototype = Reflect.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isSame = (a: Sent, b: Sent) =>
  a.headers === b.headers && a.protocols === b.protocols && Redacted.value(a.url) === Redacted.value(b.url)
