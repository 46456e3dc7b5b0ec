// The decoder options that all kinds of Binance's streams share: the envelope, the symbol and the time.
import * as Predicate from "effect/Predicate"
import type { Envelope } from "../../market/Decoder.ts"
import { parse } from "../Protocol.ts"
import { startOf } from "./combined.ts"

const envelope: Envelope = { start: startOf, end: "}" }

// A liquidation has the symbol in its order. In an unknown kind, any field may have any type.
const symbolOf = (data: object): string | undefined => {
  const symbol = "s" in data ? data.s : "o" in data && Predicate.hasProperty(data.o, "s") ? data.o.s : undefined
  return typeof symbol === "string" ? symbol : undefined
}

const timeOf = (data: object): number | undefined => "E" in data && typeof data.E === "number" ? data.E : undefined

export const format = { source: "binance", envelope, parse, symbolOf, timeOf }
