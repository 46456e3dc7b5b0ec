// One life of a connection: dial, handshake, and then reading until it ends, which it always does with an error.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AttemptError, ReconnectRequested } from "../ConnectionError.ts"
import { ConnectionTimeout, InboxOverflow, OnOpenFailed, UrlUnavailable } from "../ConnectionError.ts"
import type { DialGate } from "../DialGate.ts"
import * as Liveness from "../Liveness.ts"
import type { Message, Socket, SocketError, Transport } from "../Transport.ts"
import * as Early from "./early.ts"
import type { Inbox } from "./inbox.ts"
import * as Server from "./server.ts"
import type { Settings } from "./settings.ts"
import { within } from "./within.ts"

export interface Hooks {
  readonly onServer: (server: Server.Server) => void
  /** The handshake is done; from here on messages are delivered. */
  readonly onOpened: (socket: Socket) => Effect.Effect<void>
  /** Runs when a socket that was opened goes away, however it does. */
  readonly onClosed: Effect.Effect<void>
  readonly onMessages: (count: number) => void
  readonly onPong: (roundTrip: Duration.Duration) => Effect.Effect<void>
}

export interface Ended {
  readonly error: AttemptError | ReconnectRequested
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
}

const withinOpenTimeout = ({ openTimeout }: Settings) =>
  within(openTimeout, () => new ConnectionTimeout({ phase: "open", after: openTimeout }))

const dial = (transport: Transport, gate: DialGate, settings: Settings, attempt: number, hooks: Hooks) =>
  settings.url.pipe(
    Effect.catchAllCause((cause) => Effect.fail(new UrlUnavailable({ cause: Cause.squash(cause) }))),
    withinOpenTimeout(settings),
    Effect.map((url) => Redacted.isRedacted(url) ? url : Redacted.make(url)),
    Effect.flatMap((url) => {
      const server = Server.fromUrl(url)
      hooks.onServer(server)
      return transport.dial({ ...settings.dial, url }).pipe(
        withinOpenTimeout(settings),
        gate.through(Server.show(server)),
        Effect.withSpan("websocket.connect", {
          kind: "client",
          attributes: {
            "websocket.attempt": attempt,
            "server.address": server.address,
            "server.port": server.port
          }
        })
      )
    })
  )

export const run = Effect.fnUntraced(function*(options: {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly inbox: Inbox
  readonly attempt: number
  readonly stop: Deferred.Deferred<never, ReconnectRequested>
  readonly hooks: Hooks
}) {
  const { gate, hooks, inbox, settings, stop, transport } = options
  const clock = yield* Effect.clock
  let openedAt: number | undefined
  let messages = 0

  const live = Effect.gen(function*() {
    const socket = yield* dial(transport, gate, settings, options.attempt, hooks)
    const early = Early.make(settings.inbox.capacity)
    const activity: Liveness.Activity = {
      lastRead: clock.unsafeCurrentTimeMillis(),
      suspendedAt: undefined,
      resumedAt: Number.NEGATIVE_INFINITY
    }

    // Once a life: drops come by the thousand.
    const lostBefore = inbox.lost()
    let complained = false
    const complain = Effect.suspend(() => {
      complained = true
      return Effect.logWarning("The consumer is slower than the peer: messages are dropped, and counted in the gaps.")
    })

    const deliver = (batch: ReadonlyArray<Message>): Effect.Effect<void, InboxOverflow> => {
      messages += batch.length
      hooks.onMessages(batch.length)
      const left = inbox.unsafeOfferAll(batch)
      if (left === 0) return complained || inbox.lost() === lostBefore ? Effect.void : complain
      if (settings.inbox.overflow === "fail") return new InboxOverflow({ capacity: settings.inbox.capacity })
      activity.suspendedAt = clock.unsafeCurrentTimeMillis()
      return Effect.map(inbox.offerAll(batch.slice(batch.length - left)), () => {
        activity.suspendedAt = undefined
        activity.resumedAt = activity.lastRead = clock.unsafeCurrentTimeMillis()
      })
    }

    // The handshake gets its turn to look at each batch. Later ones need not give way to anybody, as `Effect.forever`
    // would: the next pull waits for the socket.
    const shown = Effect.zipRight(early.room, Effect.yieldNow())
    const readOn: Effect.Effect<never, SocketError | InboxOverflow> = Effect.flatMap(socket.pull, (batch) => {
      activity.lastRead = clock.unsafeCurrentTimeMillis()
      return Effect.zipRight(early.unsafeHold(batch) ? shown : deliver(batch), readOn)
    })
    // What was held back during the handshake comes before the end.
    const read = Effect.tapError(readOn, () => early.finish)

    const open = Effect.suspend(() => {
      openedAt = clock.unsafeCurrentTimeMillis()
      return Effect.addFinalizer(() => hooks.onClosed)
    }).pipe(
      Effect.zipRight(hooks.onOpened(socket)),
      Effect.uninterruptible,
      Effect.zipRight(early.release(deliver))
    )

    // Without a handshake, the very first message is delivered, even if the socket ends right behind it.
    const { onOpen } = settings
    if (onOpen === undefined) yield* open
    const handshake = onOpen === undefined
      ? Effect.void
      : Effect.suspend(() => onOpen({ protocol: socket.protocol, send: socket.send, receive: early.receive })).pipe(
        Effect.catchAllCause((cause) => Effect.fail(new OnOpenFailed({ cause: Cause.squash(cause) }))),
        withinOpenTimeout(settings),
        Effect.zipRight(open)
      )

    // None of these succeeds for good: the first to fail ends the others, and this life.
    return yield* Effect.all([
      read,
      handshake,
      Liveness.messageDeadline(activity, settings.messageTimeout),
      Liveness.pings({
        activity,
        ping: socket.ping,
        interval: transport.capabilities.ping ? settings.pingInterval : Duration.infinity,
        timeout: settings.pongTimeout,
        onPong: hooks.onPong
      }),
      Deferred.await(stop)
    ], { concurrency: "unbounded", discard: true }).pipe(
      Effect.zipRight(Effect.never),
      // A peer that is not there cannot answer a close frame.
      Effect.tapErrorTag("ConnectionTimeout", ({ phase }) => phase === "open" ? Effect.void : socket.terminate)
    )
  })

  const error: AttemptError | ReconnectRequested = yield* Effect.flip(Effect.scoped(live))
  const now = yield* Clock.currentTimeMillis
  const ended: Ended = {
    error,
    opened: openedAt !== undefined,
    openFor: Duration.millis(openedAt === undefined ? 0 : now - openedAt),
    messages
  }
  return ended
})
