// Waits for the network of this machine, where the transport knows of it.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Network } from "../../Transport.ts"
import { formatDuration } from "../time/durationText.ts"
import { sleep } from "../time/sleep.ts"

// Virtual machines and VPNs may be taken for offline. As long as the longest wait of the default backoff.
const longest = Duration.seconds(60)

/** Completes at the next change to online. Never completes where the network is not known. */
export const untilOnline = (network: Network | undefined): Effect.Effect<void> =>
  network === undefined ? Effect.never : Effect.async<void>((resume) => {
    const stop = network.onChange(() => {
      if (!network.isOnline()) return
      stop()
      resume(Effect.void)
    })
    return Effect.sync(stop)
  })

/** Waits while the machine is offline, for a minute at most: it may only seem so. */
export const awaitOnline = (network: Network | undefined): Effect.Effect<void> =>
  Effect.suspend(() =>
    network === undefined || network.isOnline()
      ? Effect.void
      : Effect.zipRight(
        Effect.logInfo(`This machine is offline. The dial waits until it is online, or for ${formatDuration(longest)}.`),
        Effect.raceFirst(untilOnline(network), sleep(longest))
      )
  )
