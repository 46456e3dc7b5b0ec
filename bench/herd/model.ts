// A herd: many clients that lose the same server at the same moment, in virtual time. Pure: the same seed, the same
// numbers.
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { ReconnectPolicy } from "holdfast"

/**
 * The server: gone at second zero, refusing every dial for `downSeconds`; from then on it accepts `acceptsPerSecond`
 * dials in each second and refuses the rest. A refusal costs no time, and an accepted client stays.
 */
export interface Server {
  readonly downSeconds: number
  readonly acceptsPerSecond: number
}

export interface Herd {
  readonly clients: number
  readonly seed: number
  readonly server: Server
  /** When to stop, in seconds, for those who would never all be back. */
  readonly untilSeconds: number
}

/** What came of one policy. */
export interface Outcome {
  /** Dials in each second, from zero on. */
  readonly dials: ReadonlyArray<number>
  /** Clients that are back at the end of each second. */
  readonly back: ReadonlyArray<number>
}

export type Wait = Schedule.Schedule<unknown, ReconnectPolicy.Loss>

// Dials closer together than this are taken in the order in which they were planned.
const tickMillis = 10
const second = 1_000 / tickMillis

/** Lets every client follow the same policy, each with draws of its own. */
export const run = (policy: Wait, lost: ReconnectPolicy.Loss, refused: ReconnectPolicy.Loss, herd: Herd): Outcome => {
  const { acceptsPerSecond, downSeconds } = herd.server
  const random = Random.make(herd.seed)
  const ticks: Array<Array<number> | undefined> = []
  const initial: unknown = policy.initial
  const states = Array.from({ length: herd.clients }, () => initial)
  const dials: Array<number> = []
  const back: Array<number> = []

  const plan = (client: number, now: number, life: ReconnectPolicy.Loss) => {
    const stepped: readonly [unknown, unknown, ScheduleDecision.ScheduleDecision] = Effect.runSync(
      Effect.withRandom(policy.step(now, life, states[client]), random)
    )
    const [state, , decision] = stepped
    states[client] = state
    if (ScheduleDecision.isDone(decision)) return
    const at = Math.ceil(Math.max(ScheduleIntervals.start(decision.intervals), now) / tickMillis)
    const others = ticks[at]
    if (others === undefined) ticks[at] = [client]
    else others.push(client)
  }

  for (let client = 0; client < herd.clients; client++) plan(client, 0, lost)
  let returned = 0
  for (let now = 0; now < herd.untilSeconds && returned < herd.clients; now++) {
    let dialled = 0
    let accepted = 0
    for (let tick = now * second; tick < (now + 1) * second; tick++) {
      // A wait of less than a tick adds to the list under way.
      for (const client of ticks[tick] ?? []) {
        dialled++
        if (now >= downSeconds && accepted < acceptsPerSecond) accepted++
        else plan(client, tick * tickMillis, refused)
      }
      ticks[tick] = undefined
    }
    returned += accepted
    dials.push(dialled)
    back.push(returned)
  }
  return { dials, back }
}

export interface Summary {
  /** Dials in the busiest second of all. */
  readonly peak: number
  /** Dials in the busiest second since the server was back. */
  readonly peakOnceBack: number
  /** Dials in all. */
  readonly dials: number
  /** Seconds from the server's return until 99 % of the clients were back. Null: not within the time. */
  readonly mostBackAfter: number | null
}

export const summarise = ({ back, dials }: Outcome, { clients, server }: Herd): Summary => {
  const most = back.findIndex((count) => count >= clients * 0.99)
  return {
    peak: Math.max(0, ...dials),
    peakOnceBack: Math.max(0, ...dials.slice(server.downSeconds)),
    dials: dials.reduce((sum, count) => sum + count, 0),
    mostBackAfter: most === -1 ? null : most + 1 - server.downSeconds
  }
}
