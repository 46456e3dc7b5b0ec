// A REST interface may lag behind the sockets. So the client repeats a request that brought nothing new, after a wait that
// doubles each time.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const firstWait = Duration.millis(250)
const attemptsAtMost = 6

/** The wait after this many useless answers in a row, counted from 0. */
export const waitAfter = (useless: number): Duration.Duration => Duration.times(firstWait, 2 ** useless)

/** Whether an interface that lags has had its time after this many useless answers. */
export const isOver = (useless: number): boolean => useless > attemptsAtMost

/** Waits and returns true; returns false at once after too many useless answers. */
export const askAgain = (useless: number): Effect.Effect<boolean> =>
  useless === attemptsAtMost ? Effect.succeed(false) : Effect.as(Effect.sleep(waitAfter(useless)), true)
