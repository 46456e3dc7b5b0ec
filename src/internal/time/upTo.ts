// Ends a schedule after a time. It replaces `Schedule.upTo`, which measures with the wall clock.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import { isDue, monotonic } from "./monotonic.ts"

/** Ends a schedule at the first step that comes this long after its first one, or later. */
export const upTo = (duration: Duration.Duration) => {
  const millis = Duration.toMillis(duration)
  return <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> => {
    const initial: { readonly began: number | undefined; readonly state: unknown } = { began: undefined, state: self.initial }
    return Schedule.makeWithState(initial, (now, input: In, { began, state }) =>
      Effect.flatMap(monotonic, (moment) =>
        Effect.map(self.step(now, input, state), ([next, out, decision]: readonly [unknown, Out, ScheduleDecision.ScheduleDecision]) =>
          [
            { began: began ?? moment, state: next },
            out,
            isDue((began ?? moment) + millis, moment) ? ScheduleDecision.done : decision
          ] as const)))
  }
}
