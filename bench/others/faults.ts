// The faults that every contestant has to recover from. The seed decides their order, which is the same for all.
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Fault } from "holdfast/binance/exchange"

export interface Kind {
  readonly name: string
  readonly faults: ReadonlyArray<Fault.Fault>
  /** The time from the faults until data stops. Recovery is measured from then. */
  readonly notice: Duration.Duration
}

const kind = (name: string, faults: ReadonlyArray<Fault.Fault>, notice: Duration.Duration = Duration.zero): Kind => ({
  name,
  faults,
  notice
})

const close = (code: number) => kind(`close ${code}`, [Fault.Close({ code, reason: "on purpose" })])
const notice = Duration.seconds(5)

export const kinds: ReadonlyArray<Kind> = [
  kind("RST", [Fault.Reset()]),
  kind("FIN, no close frame", [Fault.Drop()]),
  close(1000),
  close(1001),
  close(1011),
  kind("malformed frame", [Fault.Malformed()]),
  kind("restart, 3 s down", [Fault.Restart({ downtime: "3 seconds" })]),
  kind("RST, then upgrade refused twice: 429, Retry-After 3 s", [
    Fault.RefuseUpgrades({ times: 2, status: 429, retryAfter: "3" }),
    Fault.Reset()
  ]),
  kind("RST, then upgrade refused twice: 503", [Fault.RefuseUpgrades({ times: 2, status: 503 }), Fault.Reset()]),
  kind("RST, then upgrade answered 15 s late", [
    Fault.DelayUpgrades({ times: 1, delay: "15 seconds" }),
    Fault.Reset()
  ]),
  kind("serverShutdown, closed 5 s later", [Fault.Shutdown({ notice })], notice),
  kind("silence, pings answered", [Fault.Mute()]),
  kind("silence, nothing answered", [Fault.Vanish()])
]

export interface Scripted {
  readonly kind: Kind
  /** The time to wait before the fault. */
  readonly calm: Duration.Duration
}

/**
 * Each kind once, in an order drawn from the seed. The calm before each is longer than the 30 s after which the slowest
 * of these clients resets its backoff (some never do), so that earlier faults do not affect a recovery.
 */
export const script = (seed: number): ReadonlyArray<Scripted> =>
  Random.shuffle(kinds).pipe(
    Effect.map(Chunk.toReadonlyArray),
    Effect.flatMap(Effect.forEach((kind) =>
      Effect.map(Random.nextRange(31_000, 32_000), (calm): Scripted => ({ kind, calm: Duration.millis(calm) })))),
    Effect.withRandom(Random.make(seed)),
    Effect.runSync
  )
