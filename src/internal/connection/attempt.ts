// One attempt: a dial, its handshake, and reading until the socket ends. Every attempt ends with an error.
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AttemptError, InboxOverflow, OnOpenFailed } from "../../ConnectionError.ts"
import * as Liveness from "../../Liveness.ts"
import type { Message, Socket } from "../../Transport.ts"
import { Delivery } from "./delivery.ts"
import * as Dial from "./dial.ts"
import { runHandshake } from "./handshake.ts"
import * as HandshakeBuffer from "./handshakeBuffer.ts"
import type { Inbox } from "./inbox.ts"
import { problemOf } from "./sendable.ts"
import { onSuspicion } from "./suspicion.ts"
import { progressOf } from "./unmoved.ts"

export interface Options extends Dial.Options {
  readonly inbox: Inbox
  /** Called when the handshake is done: makes the socket available to users. */
  readonly open: (socket: Socket, delivery: Delivery) => Effect.Effect<void>
  /** Ends the attempt. Fibres other than the one that reads call it. */
  readonly end: (cause: Cause.Cause<AttemptError>) => void
}

/**
 * Dials, and starts the handshake and the deadlines. Returns the effect that reads, for the caller to run: a connection
 * spends nearly all its time in that effect, and by then the memory of the setup can be freed.
 */
export const run = Effect.fnUntraced(function*(options: Options) {
  const { end, inbox, log, open, settings } = options
  const { onOpen } = settings
  const inBackground = (effect: Effect.Effect<void, AttemptError>) =>
    Effect.fork(Effect.catchAllCause(effect, (cause) => Effect.sync(() => {
      end(cause)
    })))

  const socket = yield* Dial.dial(options)
  const delivery = new Delivery({ clock: yield* Effect.clock, inbox, log, settings: settings.inbox })

  // Set while the handshake runs: holds the messages that are not delivered yet.
  let buffer: HandshakeBuffer.HandshakeBuffer | undefined
  if (onOpen === undefined) {
    yield* open(socket, delivery)
    yield* log.writeLog
  } else {
    const { receive, release } = buffer = HandshakeBuffer.make(settings.inbox)
    const send = (message: Message) => problemOf(message) ?? socket.send(message)
    yield* inBackground(runHandshake(onOpen, { protocol: socket.protocol, headers: socket.headers ?? {}, send, receive }, options).pipe(
      Effect.zipRight(open(socket, delivery)),
      Effect.zipRight(release((batch) => delivery.deliver(batch) ?? Effect.void)),
      Effect.tap(() => {
        buffer = undefined
      }),
      Effect.zipRight(log.writeLog)
    ))
    // Lets the handshake send its first message before the deadlines start.
    yield* Effect.yieldNow()
  }

  const liveness = livenessOf(options, socket, delivery)
  if (liveness !== undefined) {
    yield* inBackground(Liveness.watch(liveness))
    const check = Effect.catchAllCause(Liveness.check(liveness), (cause) => Effect.sync(() => {
      end(cause)
    }))
    yield* onSuspicion(check, options.scope, options.transport.network)
  }

  const reading = socket.receive<InboxOverflow | OnOpenFailed>((batch) => {
    delivery.noteActivity()
    return buffer?.hold(batch) ?? delivery.deliver(batch)
  })
  // Held messages are delivered before the end.
  return Effect.tapError(reading, () => buffer?.finish ?? Effect.void)
})

// Undefined if no deadline is on: a fibre takes as much memory as a socket.
const livenessOf = ({ log, redactor, settings, transport }: Options, socket: Socket, delivery: Delivery) => {
  const { messageTimeout, pongTimeout } = settings
  const pingInterval = transport.capabilities.ping ? settings.pingInterval : Duration.infinity
  const isWatched = Duration.isFinite(messageTimeout) || (Duration.isFinite(pingInterval) && Duration.isFinite(pongTimeout))
  // Liveness waits for it in a fibre of its own, and Effect logs how that fibre fails.
  const shownPing = Effect.mapErrorCause(socket.ping, (cause) => redactor.failures(cause))
  const onPong = (roundTrip: Duration.Duration) => {
    delivery.notePong()
    log.counters().pong(roundTrip)
  }
  return isWatched
    ? { activity: delivery.activity, progress: progressOf(socket), messageTimeout, ping: shownPing, pingInterval, pongTimeout, onPong }
    : undefined
}
