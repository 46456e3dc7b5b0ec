// The contestants. Each is loaded in its own process.
import type { Contestant } from "./contestant.ts"

type Load = () => Promise<{ readonly contestant: Contestant }>

export const contestants: ReadonlyMap<string, Load> = new Map<string, Load>([
  ["reconnecting-websocket", () => import("./reconnecting-websocket.ts")],
  ["partysocket", () => import("./partysocket.ts")],
  ["binance", () => import("./binance.ts")],
  ["binance-spot", () => import("./binance-spot.ts")],
  ["ccxt", () => import("./ccxt.ts")],
  ["effect-socket", () => import("./effect-socket.ts")],
  ["holdfast", () => import("./holdfast.ts")]
])
