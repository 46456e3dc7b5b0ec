// Tells whether an answer may be stuck, so that its peer is not to blame: behind unread data while a slow reader suspends
// reading, behind a message that is still arriving, or because the peer still takes what we have sent.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { stallGrace } from "../../Liveness.ts"
import type { Vitals } from "../connection/handle.ts"
import { monotonic } from "../time/monotonic.ts"
import { sleepPast } from "../time/sleepPast.ts"

/** Sleeps until a moment, and longer each time the event loop stalls. */
export const sleepUntil = sleepPast(Duration.toMillis(stallGrace))

/** The vitals of a connection at a moment in monotonic time. */
export interface Sample {
  readonly at: number
  readonly vitals: Vitals | undefined
}

/**
 * What is known of the wait for an answer. A message may end in the middle of the wait and another one begin to arrive, so there is
 * a second sample near the end.
 */
export interface Samples {
  readonly first: Sample
  readonly second: Sample
}

/** When to take the second sample, for a wait that begins and ends then. */
export const secondAt = (began: number, due: number): number => began + (due - began) * 0.75

const moved = ({ at, vitals: before }: Sample, now: Vitals): boolean => {
  if (before === undefined) return false
  const [was, is] = [before.progress, now.progress]
  const isArriving = now.activity.lastRead < at && is.received - is.control > was.received - was.control
  return isArriving || (was.unsent > 0 && is.sent > was.sent)
}

export const mayBeStuck = ({ first, second }: Samples, now: Vitals | undefined): boolean => {
  if (now === undefined) return false
  const { resumedAt, suspendedAt } = now.activity
  return suspendedAt !== undefined || resumedAt >= first.at || moved(first, now) || moved(second, now)
}

/** Waits until an answer that begins to be waited for now is late. While it may be stuck, the time for it starts anew. */
export const untilLate = (timeout: Duration.Duration, vitals: () => Vitals | undefined): Effect.Effect<void> => {
  const sample = Effect.map(monotonic, (at): Sample => ({ at, vitals: vitals() }))
  return Effect.flatMap(sample, (first) => {
    const due = first.at + Duration.toMillis(timeout)
    return sleepUntil(secondAt(first.at, due)).pipe(
      Effect.zipRight(sample),
      Effect.zipLeft(sleepUntil(due)),
      Effect.flatMap((second) => mayBeStuck({ first, second }, vitals()) ? untilLate(timeout, vitals) : Effect.void)
    )
  })
}
