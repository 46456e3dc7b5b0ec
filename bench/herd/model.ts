// Simulates a herd in virtual time: many clients that lose the same server at once. Pure: the same seed gives the same
// results.
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { ReconnectPolicy } from "holdfast"

/**
 * The server. It goes down at second 0 and refuses every dial for `downSeconds`. After that it accepts up to
 * `acceptsPerSecond` dials per second and refuses the others. A refusal takes no time; an accepted client stays connected.
 */
export interface Server {
  readonly downSeconds: number
  readonly acceptsPerSecond: number
}

export interface Herd {
  readonly clients: number
  readonly seed: number
  readonly server: Server
  /** The end of the simulation in seconds, for policies with which some clients never come back. */
  readonly untilSeconds: number
}

/** The outcome of one policy. */
export interface Outcome {
  /** The number of dials in each second, from second 0. */
  readonly dials: ReadonlyArray<number>
  /** The number of clients that are back at the end of each second. */
  readonly back: ReadonlyArray<number>
}

export type Wait = Schedule.Schedule<unknown, ReconnectPolicy.Loss>

// Dials within the same tick happen in the order in which they were planned.
const tickMillis = 10
const second = 1_000 / tickMillis

/** Simulates the herd with one policy for all clients. Each client draws its own random numbers. */
export const run = (policy: Wait, lost: ReconnectPolicy.Loss, refused: ReconnectPolicy.Loss, herd: Herd): Outcome => {
  const { acceptsPerSecond, downSeconds } = herd.server
  const random = Random.make(herd.seed)
  const ticks: Array<Array<number> | undefined> = []
  const initial: unknown = policy.initial
  const states = Array.from({ length: herd.clients }, () => initial)
  const dials: Array<number> = []
  const back: Array<number> = []

  const plan = (client: number, now: number, loss: ReconnectPolicy.Loss) => {
    const stepped: readonly [unknown, unknown, ScheduleDecision.ScheduleDecision] = Effect.runSync(
      Effect.withRandom(policy.step(now, loss, states[client]), random)
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
      // A retry within the same tick is appended to the list while it is read.
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
  /** The number of dials in the busiest second. */
  readonly peak: number
  /** The number of dials in the busiest second after the server came back. */
  readonly peakOnceBack: number
  /** The total number of dials. */
  readonly dials: number
  /** Seconds from the return of the server until 99 % of the clients are back. Null: not before the end. */
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
