// Which refusals of the REST interface are final: the same request would be refused again.
//
// Binance's codes say it: 10xx are general issues of the server or the network, 11xx are issues of the request, 20xx are issues
// of its processing (Binance docs, "Error codes"). A firewall, a proxy or a country's filter answers without such a code.
import * as Schema from "effect/Schema"
import type { RestError, RestRejected } from "../../market/RestError.ts"

/** What the venue says about a refused request. */
export interface Refusal {
  readonly code: number | undefined
  readonly reason: string | undefined
}

const Body = Schema.Struct({ code: Schema.Number, msg: Schema.String })

const decode = Schema.decodeUnknownOption(Body)

/** Reads the body of a refusal, parsed. */
export const read = (body: unknown): Refusal => {
  const read = decode(body)
  return read._tag === "None" ? { code: undefined, reason: undefined } : { code: read.value.code, reason: read.value.msg }
}

// Of the general issues: UNAUTHORIZED, UNSUPPORTED_OPERATION, INVALID_SIGNATURE.
const finalGeneral: ReadonlySet<number> = new Set([-1002, -1020, -1022])

// Without a code: the credentials or the request are wrong. All others may pass: 403 is Binance's firewall, 404 a proxy whose
// backend restarts, 408 a backend that took too long, 451 a network of another country.
const finalStatuses: ReadonlySet<number> = new Set([401, 405, 414])

const isRequestIssue = (code: number) => code <= -1100 && code > -10_000

export const isFinal = (status: number, { code }: Refusal): boolean =>
  code === undefined || code === -1 ? finalStatuses.has(status) : isRequestIssue(code) || finalGeneral.has(code)

// ILLEGAL_CHARS, BAD_SYMBOL.
const unknownSymbol: ReadonlySet<number> = new Set([-1100, -1121])

/** Whether the venue says that it does not know the symbol. */
export const saysUnknownSymbol = (code: number | undefined): boolean => code !== undefined && unknownSymbol.has(code)

// UNAUTHORIZED, BAD_API_KEY_FMT, REJECTED_MBX_KEY.
const keyCodes: ReadonlySet<number | undefined> = new Set([-1002, -2014, -2015])

/** Whether the venue refused a request since it has no valid API key. */
export const wantsKey = (error: RestError): error is RestRejected => error._tag === "RestRejected" && keyCodes.has(error.code)
