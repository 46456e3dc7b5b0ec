import { wholeness } from "../market/wholeness.ts"
import { binance } from "./subject.ts"

wholeness(binance)
