// A REST interface may lag behind its sockets: it is asked again, each time after twice as long.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const firstWait = Duration.millis(250)
const attemptsAtMost = 6

/** The wait after so many answers in a row that were of no use. */
export const waitAfter = (useless: number): Duration.Duration => Duration.times(firstWait, 2 ** useless)

/** Waits, and says whether to ask again: not after so many useless answers. */
export const askAgain = (useless: number): Effect.Effect<boolean> =>
  useless === attemptsAtMost ? Effect.succeed(false) : Effect.as(Effect.sleep(waitAfter(useless)), true)
