// The compared policies. All begin with one second, double the wait, and cap it at one minute; only the jitter differs.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { ReconnectPolicy } from "holdfast"
import type { Wait } from "./model.ts"

const { backoffMultiplier, initialDelay, jitterFactor, maxDelay } = ReconnectPolicy.defaults

const uncapped = ReconnectPolicy.exponential(initialDelay, backoffMultiplier)
const capped = uncapped.pipe(ReconnectPolicy.capped(maxDelay))

const drawn = (draw: (nominal: number, chance: number) => number): Wait =>
  Schedule.modifyDelayEffect(capped, (_, delay) =>
    Effect.map(Random.next, (chance) => Duration.millis(draw(Duration.toMillis(delay), chance))))

export interface Policy {
  readonly name: string
  readonly formula: string
  readonly wait: Wait
}

export const policies: ReadonlyArray<Policy> = [
  { name: "no jitter", formula: "min(2ⁿ, 60)", wait: capped },
  {
    name: "jitter, then cap",
    formula: "min(2ⁿ ± 25 %, 60)",
    wait: uncapped.pipe(
      Schedule.jitteredWith({ min: 1 - jitterFactor, max: 1 + jitterFactor }),
      ReconnectPolicy.capped(maxDelay)
    )
  },
  {
    name: "equal jitter",
    formula: "b = min(2ⁿ, 60); from b/2 to b",
    wait: drawn((nominal, chance) => nominal / 2 + chance * nominal / 2)
  },
  { name: "full jitter", formula: "b = min(2ⁿ, 60); from 0 to b", wait: drawn((nominal, chance) => chance * nominal) },
  {
    name: "Holdfast",
    formula: "b = min(2ⁿ, 60); b ± 25 %, evenly below 60",
    wait: ReconnectPolicy.schedule({ ...ReconnectPolicy.defaults, maxRetries: "unlimited" })
  }
]

/** The loss of a connection that had been open for an hour, with data: the initial loss of every client. */
export const lost: ReconnectPolicy.Loss = {
  opened: true,
  openFor: Duration.hours(1),
  pongs: 0,
  isAccepted: true,
  messages: 1_000,
  floor: Option.none()
}

/** A refused dial. */
export const refused: ReconnectPolicy.Loss = {
  opened: false,
  openFor: Duration.zero,
  pongs: 0,
  isAccepted: true,
  messages: 0,
  floor: Option.none()
}
