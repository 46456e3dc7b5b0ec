// The embedded exchange, which breaks the connection every few seconds.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Venue from "../binance/Venue.ts"
import * as Exchange from "../binance/exchange/Exchange.ts"
import * as Fault from "../binance/exchange/Fault.ts"
import * as NodeTransport from "../NodeTransport.ts"
import type { VenueChoice } from "./VenueChoice.ts"

// Each connection lasts long enough to be proven, and each ends in another way.
const demoFaults: ReadonlyArray<Fault.Scripted> = [
  [Fault.Reset()],
  [Fault.Malformed(), Fault.RefuseUpgrades({ times: 1, status: 503, retryAfter: "2" }), Fault.Drop()],
  [Fault.Close({ code: 1001, reason: "going away" })],
  [Fault.Mute()],
  [Fault.Restart({ downtime: "2 seconds" })],
  [Fault.Vanish()],
  [Fault.Shutdown({ notice: "500 millis" })],
  [Fault.Violation()],
  [Fault.Oversize({ bytes: 100_000 })]
].flatMap((faults) => faults.map((fault, i) => ({ after: i === 0 ? "7 seconds" : 0, fault })))

export const demo = Effect.gen(function*() {
  // Each run has its own market. Its ids are greater than those of earlier runs, so a recording that continues one has a gap.
  const firstId = Math.floor((yield* Clock.currentTimeMillis) / 10)
  const exchange = yield* Exchange.make({ tradesPerSecond: 8, firstId })
  yield* Effect.forkScoped(exchange.script(demoFaults, { repeat: true }))
  const choice: VenueChoice = {
    venue: Venue.make({ name: "demo", ws: exchange.wsUrl, rest: exchange.restUrl }),
    isMadeUp: true,
    // Short, so that the demo detects a silent peer within seconds.
    connection: {
      messageTimeout: "3 seconds",
      pingInterval: "1 second",
      pongTimeout: "2 seconds",
      maxMessageBytes: 64 * 1024
    },
    transport: NodeTransport.layer
  }
  return choice
})
