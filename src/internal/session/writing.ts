// Runs what a protocol writes: a message, or an effect that makes one.
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Written } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import { formatDuration } from "../time/durationText.ts"
import { within } from "../time/timeout.ts"

const isMessage = (written: Written): written is Message => !Effect.isEffect(written)

/** Fails with whatever was thrown, or with the failure or the defect of the effect, or when it takes longer than `deadline`. */
export const writing = (write: () => Written, deadline: Duration.Duration): Effect.Effect<Message, unknown> =>
  Effect.suspend(() => {
    const written = write()
    return isMessage(written)
      ? Effect.succeed(written)
      // An effect that cannot be interrupted must not delay the deadline.
      : within(deadline, () => `it took longer than ${formatDuration(deadline)}`)(Effect.disconnect(written))
  }).pipe(Effect.catchAllCause((cause) => Effect.fail(Cause.squash(cause))))
