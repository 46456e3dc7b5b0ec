/**
 * The requests that clients send over the socket, and the answers to them.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { Client } from "./Client.ts"
import type { Limits } from "./Limits.ts"
import type { Topics } from "./Topics.ts"

/**
 * The id of a request: an integer, a string of 1 to 36 letters, digits and underscores, or null.
 *
 * @since 0.1.0
 * @category models
 */
export type Id = number | string | null

/**
 * A request of a client.
 *
 * @since 0.1.0
 * @category models
 */
export type ControlMessage =
  | { readonly method: "SUBSCRIBE" | "UNSUBSCRIBE"; readonly params: ReadonlyArray<string>; readonly id: Id }
  | { readonly method: "LIST_SUBSCRIPTIONS"; readonly id: Id }
  | { readonly method: "SET_PROPERTY"; readonly combined: boolean; readonly id: Id }
  | { readonly method: "GET_PROPERTY"; readonly id: Id }

/**
 * The answer to an invalid request. Most have no id, as at Binance.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly code: 0 | 1 | 2 | 3
  readonly msg: string
  readonly id?: Id | undefined
}

const refuse = (code: Refusal["code"], msg: string, id?: Id): Either.Either<never, Refusal> =>
  Either.left(id === undefined ? { code, msg } : { code, msg, id })

const invalid = (reason: string, id?: Id) => refuse(2, `Invalid request: ${reason}`, id)

// Ids beyond 2^53 lose digits in JSON.parse, but remain integers.
const isId = (id: unknown): id is Id =>
  id === null || (typeof id === "number" && Number.isInteger(id)) || (typeof id === "string" && /^\w{1,36}$/.test(id))

const parseJson = (text: string): Either.Either<unknown, Refusal> =>
  Either.try({
    try: (): unknown => JSON.parse(text),
    catch: (error): Refusal => ({ code: 3, msg: `Invalid JSON: ${error instanceof Error ? error.message : "unreadable"}` })
  })

const isText = (value: unknown): value is string => typeof value === "string"

const ofRecord = (request: Readonly<Record<string, unknown>>): Either.Either<ControlMessage, Refusal> => {
  const { id = null, method, params } = request
  if (!isId(id)) return invalid("request ID must be an integer, a string of up to 36 characters, or null")
  if (!isText(method)) return invalid("missing field `method`", id)
  const list: ReadonlyArray<unknown> = Array.isArray(params) ? params : []
  switch (method) {
    case "SUBSCRIBE":
    case "UNSUBSCRIBE":
      if (!Array.isArray(params)) return invalid("missing field `params`", id)
      return list.length > 0 && list.every(isText)
        ? Either.right({ method, params: list, id })
        : invalid("`params` must be a list of stream names", id)
    case "LIST_SUBSCRIPTIONS":
      return Either.right({ method, id })
    case "SET_PROPERTY":
    case "GET_PROPERTY": {
      const [property, value] = list
      if (list.length > (method === "SET_PROPERTY" ? 2 : 1)) return invalid("too many parameters", id)
      if (property !== "combined") return refuse(0, "Unknown property", id)
      if (method === "GET_PROPERTY") return Either.right({ method, id })
      return typeof value === "boolean"
        ? Either.right({ method, combined: value, id })
        : refuse(1, "Invalid value type: expected Boolean")
    }
    default:
      return invalid(`unknown variant \`${method.slice(0, 36)}\``)
  }
}

/**
 * Parses a request. An invalid one gives the answer to send as a `Left`.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { ControlMessage } from "holdfast/binance/exchange"
 *
 * const request = ControlMessage.parse(`{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}`)
 * const refused = ControlMessage.parse("{")
 * console.log(Either.isRight(request), Either.isLeft(refused)) // true true
 * ```
 */
export const parse = (text: string): Either.Either<ControlMessage, Refusal> =>
  Either.flatMap(parseJson(text), (json) =>
    Predicate.isReadonlyRecord(json) ? ofRecord(json) : invalid("expected an object"))

const perform = (topics: Topics, client: Client, request: ControlMessage, limits: Limits): object => {
  const { id } = request
  switch (request.method) {
    case "SUBSCRIBE":
      if (new Set([...client.streams, ...request.params]).size > limits.streamsPerConnection) {
        limits.tooManyStreams()
        return { error: { code: 4, msg: "Too many subscriptions" }, id }
      }
      topics.subscribe(client, request.params)
      return { result: null, id }
    case "UNSUBSCRIBE":
      topics.unsubscribe(client, request.params)
      return { result: null, id }
    case "LIST_SUBSCRIPTIONS":
      return { result: [...client.streams], id }
    case "SET_PROPERTY":
      client.combined = request.combined
      return { result: null, id }
    case "GET_PROPERTY":
      return { result: client.combined, id }
  }
}

/**
 * Handles the request in `text` and returns the JSON of the answer. Changes the subscriptions and the properties of the
 * client as requested.
 *
 * @since 0.1.0
 * @category answering
 */
export const answer = (topics: Topics, client: Client, text: string, limits: Limits): string =>
  JSON.stringify(Either.match(parse(text), {
    onLeft: (refusal): object => refusal,
    onRight: (request) => perform(topics, client, request, limits)
  }))
