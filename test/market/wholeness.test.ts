import { binance } from "./binance.ts"
import { wholeness } from "./wholeness.ts"

wholeness(binance)
