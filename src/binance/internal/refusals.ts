// What a refusal of the REST interface means. Only the venue's own code says that a request would be refused again: a status
// alone may come from a firewall, a proxy or an overloaded server, and passes.
import type { RestRejected } from "../../market/RestError.ts"

/** `rejected`: it would be refused again. `unauthorized`: it needs a valid API key. `passing`: it may succeed later. */
export type Meaning = "rejected" | "unauthorized" | "passing"

interface Row {
  readonly from: number
  readonly to: number
  readonly meaning: Meaning
}

// By code (Binance docs, error codes). The range of 11xx is for requests that name what does not exist, or are malformed. Codes
// that are not here, such as -1000, -1001, -1003, -1007 and -1008, pass.
const rows: ReadonlyArray<Row> = [
  { from: -1199, to: -1100, meaning: "rejected" },
  { from: -1002, to: -1002, meaning: "unauthorized" },
  { from: -2015, to: -2014, meaning: "unauthorized" }
]

/** The meaning of a refusal with this status and, if the venue sent one, this code. */
export const meaningOf = (status: number, code: number | undefined): Meaning =>
  code === undefined || status < 400 || status >= 500
    ? "passing"
    : rows.find(({ from, to }) => code >= from && code <= to)?.meaning ?? "passing"

// -1100: illegal characters, such as in `BTC/USDT`. -1121: invalid symbol (Binance docs).
const unknownSymbol: ReadonlySet<number | undefined> = new Set([-1100, -1121])

/** Whether the venue rejected a request since it does not know the symbol. */
export const isUnknownSymbol = ({ code }: RestRejected): boolean => unknownSymbol.has(code)
