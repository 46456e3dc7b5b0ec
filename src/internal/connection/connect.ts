// From the options of a connection to its handle.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Options } from "../../Connection.ts"
import * as DialGate from "../../DialGate.ts"
import { Transport } from "../../Transport.ts"
import { formatDuration } from "../time/durationText.ts"
import * as Handle from "./handle.ts"
import type { Settings } from "./settings.ts"
import { resolve } from "./settings.ts"

// A user who asked for pings is told that the transport has none.
const warnIfUnableToPing = (transport: Transport, { messageTimeout, pingInterval }: Settings) => {
  if (transport.capabilities.ping || !Duration.isFinite(pingInterval)) return Effect.void
  return Duration.isFinite(messageTimeout)
    ? Effect.logInfo(
      `This transport cannot ping: a peer that is gone shows only by its silence, after ${formatDuration(messageTimeout)} of it.`
    )
    : Effect.logWarning("This transport cannot ping, and there is no messageTimeout: a peer that is gone is never noticed.")
}

export const connect = Effect.fnUntraced(function*(options: Options) {
  const transport = yield* Transport
  const gate = Option.getOrElse(yield* Effect.serviceOption(DialGate.DialGate), () => DialGate.open)
  const settings = yield* resolve(options)
  yield* warnIfUnableToPing(transport, settings)
  return yield* Handle.make(transport, gate, settings)
})
