// One attempt at a connection: dials, shakes hands, and reads until it ends, which it always does with an error.
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AttemptError } from "../../ConnectionError.ts"
import * as Liveness from "../../Liveness.ts"
import type { Socket } from "../../Transport.ts"
import { Delivery } from "./delivery.ts"
import * as Dial from "./dial.ts"
import { runHandshake } from "./handshake.ts"
import * as HandshakeBuffer from "./handshakeBuffer.ts"
import type { Inbox } from "./inbox.ts"

export interface Options extends Dial.Options {
  readonly inbox: Inbox
  /** Opens the socket to its users, when the handshake is done. */
  readonly open: (socket: Socket, delivery: Delivery) => Effect.Effect<void>
  /** Ends the attempt from beside its reading. */
  readonly end: (cause: Cause.Cause<AttemptError>) => void
}

/** Gives the reading back, to be run in its place: a connection spends its life there, and what led to it is over. */
export const run = Effect.fnUntraced(function*(options: Options) {
  const { end, inbox, log, open, settings } = options
  const { onOpen } = settings
  const beside = (effect: Effect.Effect<void, AttemptError>) =>
    Effect.fork(Effect.catchAllCause(effect, (cause) => Effect.sync(() => {
      end(cause)
    })))

  const socket = yield* Dial.dial(options)
  const delivery = new Delivery({ clock: yield* Effect.clock, inbox, log, settings: settings.inbox })

  // What the handshake has read and nobody was delivered yet, while it runs.
  let held: HandshakeBuffer.HandshakeBuffer | undefined
  if (onOpen === undefined) {
    yield* open(socket, delivery)
    yield* log.writeLog
  } else {
    const { receive, release } = held = HandshakeBuffer.make(settings.inbox.capacity)
    yield* beside(runHandshake(onOpen, { protocol: socket.protocol, send: socket.send, receive }, settings).pipe(
      Effect.zipRight(open(socket, delivery)),
      Effect.zipRight(release((batch) => delivery.deliver(batch) ?? Effect.void)),
      Effect.tap(() => {
        held = undefined
      }),
      Effect.zipRight(log.writeLog)
    ))
    // What it says first leaves before the deadlines are set.
    yield* Effect.yieldNow()
  }

  const deadlines = watch(options, socket, delivery)
  if (deadlines !== undefined) yield* beside(deadlines)

  const reading = socket.receive((batch) => {
    delivery.noteActivity()
    return held?.hold(batch) ?? delivery.deliver(batch)
  })
  // What was held back for the handshake comes before the end.
  return Effect.tapError(reading, () => held?.finish ?? Effect.void)
})

// Nothing when no deadline is on: a fibre weighs as much as a socket.
const watch = ({ log, settings, transport }: Options, { ping }: Socket, { activity }: Delivery) => {
  const { messageTimeout, pongTimeout } = settings
  const pingInterval = transport.capabilities.ping ? settings.pingInterval : Duration.infinity
  const isWatched = Duration.isFinite(messageTimeout) || (Duration.isFinite(pingInterval) && Duration.isFinite(pongTimeout))
  const onPong = (roundTrip: Duration.Duration) => {
    log.counters().pong(roundTrip)
  }
  return isWatched ? Liveness.watch({ activity, messageTimeout, ping, pingInterval, pongTimeout, onPong }) : undefined
}
