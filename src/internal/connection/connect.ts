// Makes the handle of a connection from its options.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Options } from "../../Connection.ts"
import * as DialGate from "../../DialGate.ts"
import { Transport } from "../../Transport.ts"
import { formatDuration } from "../time/durationText.ts"
import * as Handle from "./handle.ts"
import { isStorm } from "./reconnectSettings.ts"
import type { Settings } from "./settings.ts"
import { resolve } from "./settings.ts"

// Logs if pings are on and the transport cannot ping.
const warnIfUnableToPing = (transport: Transport, { messageTimeout, pingInterval }: Settings) => {
  if (transport.capabilities.ping || !Duration.isFinite(pingInterval)) return Effect.void
  return Duration.isFinite(messageTimeout)
    ? Effect.logInfo(
      `This transport cannot ping. A dead peer is detected after ${formatDuration(messageTimeout)} without a message.`
    )
    : Effect.logWarning("This transport cannot ping, and there is no messageTimeout. A dead peer will not be detected.")
}

const warnOfStorm = ({ reconnect }: Settings) =>
  !Schedule.isSchedule(reconnect) && isStorm(reconnect)
    ? Effect.logWarning(
      "The reconnect policy can dial more than ten times a second without end. In code, a plain number is in milliseconds: " +
        `write "1 second" for a second. Raise initialDelay, maxDelay or stableAfter.`
    )
    : Effect.void

/** `isTrusted` tells whether another connection has shown that the server serves us. Default: none has. */
export const connect = Effect.fnUntraced(function*(options: Options, isTrusted?: Settings["isTrusted"]) {
  const transport = yield* Transport
  const gate = Option.getOrElse(yield* Effect.serviceOption(DialGate.DialGate), () => DialGate.open)
  const settings = yield* resolve(options, transport.capabilities.ping, isTrusted)
  yield* warnIfUnableToPing(transport, settings)
  yield* warnOfStorm(settings)
  const handle = Handle.make(transport, gate, settings)
  // What runs for the connection, such as `onOpen`, logs under its name too.
  return yield* settings.name === undefined ? handle : Effect.annotateLogs(handle, "connection", settings.name)
})
