// One life of a connection: dial, handshake, and then reading until it ends, which it always does with an error.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
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
  readonly onOpened: (socket: Socket) => void
  /** It is over, and its socket, if there is one, about to be closed. */
  readonly onEnding: () => void
  /** A socket that was opened has gone away, however it did. */
  readonly onClosed: () => void
  /** Runs whenever something is on its way and there is time: the dial, the first messages. */
  readonly meanwhile: Effect.Effect<void>
  readonly onMessages: (count: number) => void
  readonly onPong: (roundTrip: Duration.Duration) => Effect.Effect<void>
}

export interface Ended {
  readonly error: AttemptError | ReconnectRequested
  readonly endedAt: number
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
}

// How far a life has come.
interface Course {
  socket: Socket | undefined
  openedAt: number | undefined
  messages: number
  /** Its scope is closed. */
  over: boolean
}

const withinOpenTimeout = ({ openTimeout }: Pick<Settings, "openTimeout">) =>
  within(openTimeout, () => new ConnectionTimeout({ phase: "open", after: openTimeout }))

const urlOf = ({ openTimeout, url }: Settings) =>
  Effect.isEffect(url)
    ? url.pipe(
      Effect.catchAllCause((cause) => Effect.fail(new UrlUnavailable({ cause: Cause.squash(cause) }))),
      withinOpenTimeout({ openTimeout })
    )
    : Effect.succeed(url)

const dial = (transport: Transport, gate: DialGate, settings: Settings, attempt: number, hooks: Hooks) =>
  Effect.flatMap(urlOf(settings), (given) => {
    const url = Redacted.isRedacted(given) ? given : Redacted.make(given)
    const server = Server.fromUrl(url)
    hooks.onServer(server)
    return transport.dial({ ...settings.dial, url }).pipe(
      withinOpenTimeout(settings),
      gate.through(Server.show(server)),
      Effect.withSpan("websocket.connect", {
        kind: "client",
        // It would show this line, and costs more than all the rest of the span.
        captureStackTrace: false,
        attributes: {
          "websocket.attempt": attempt,
          "server.address": server.address,
          "server.port": server.port
        }
      })
    )
  })

export const run = Effect.fnUntraced(function*(options: {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly inbox: Inbox
  readonly attempt: number
  /** The first failure it is given ends this life, whoever gives it. */
  readonly end: Deferred.Deferred<never, AttemptError | ReconnectRequested>
  readonly hooks: Hooks
}) {
  const { end, gate, hooks, inbox, settings, transport } = options
  const clock = yield* Effect.clock
  const course: Course = { socket: undefined, openedAt: undefined, messages: 0, over: false }

  // None of what lives in a life succeeds for good.
  const orEnd = <A, R>(effect: Effect.Effect<A, AttemptError, R>) =>
    Effect.catchAllCause(effect, (cause) => Deferred.failCause(end, cause))

  const beside = (effect: Effect.Effect<never, AttemptError>) => Effect.fork(orEnd(effect))

  const live = Effect.gen(function*() {
    const socket = course.socket = yield* dial(transport, gate, settings, options.attempt, hooks)
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

    const put = (batch: ReadonlyArray<Message>) => {
      course.messages += batch.length
      hooks.onMessages(batch.length)
      return inbox.unsafeOfferAll(batch)
    }

    const deliver = (batch: ReadonlyArray<Message>): Effect.Effect<void, InboxOverflow> => {
      const left = put(batch)
      if (left === 0) return complained || inbox.lost() === lostBefore ? Effect.void : complain
      if (settings.inbox.overflow === "fail") return new InboxOverflow({ capacity: settings.inbox.capacity })
      activity.suspendedAt = clock.unsafeCurrentTimeMillis()
      return Effect.map(inbox.offerAll(batch.slice(batch.length - left)), () => {
        activity.suspendedAt = undefined
        activity.resumedAt = activity.lastRead = clock.unsafeCurrentTimeMillis()
      })
    }

    const open = Effect.sync(() => {
      course.openedAt = clock.unsafeCurrentTimeMillis()
      hooks.onOpened(socket)
    })

    // What is held back for a handshake, as long as there is one.
    let early: Early.Early | undefined
    const { onOpen } = settings
    if (onOpen === undefined) {
      yield* open
      yield* hooks.meanwhile
    } else {
      const held = early = Early.make(settings.inbox.capacity)
      const handshake = Effect.suspend(() => onOpen({ protocol: socket.protocol, send: socket.send, receive: held.receive })).pipe(
        Effect.catchAllCause((cause) => Effect.fail(new OnOpenFailed({ cause: Cause.squash(cause) }))),
        withinOpenTimeout(settings),
        Effect.zipRight(open),
        Effect.zipRight(held.release(deliver)),
        Effect.tap(() => {
          early = undefined
        }),
        Effect.zipRight(hooks.meanwhile)
      )
      // It must not open what is being closed.
      yield* Effect.forkScoped(orEnd(handshake))
      // What it says first leaves before the deadlines are set.
      yield* Effect.yieldNow()
    }

    if (Duration.isFinite(settings.messageTimeout)) {
      yield* beside(Liveness.messageDeadline(activity, settings.messageTimeout))
    }
    if (transport.capabilities.ping && Duration.isFinite(settings.pingInterval) && Duration.isFinite(settings.pongTimeout)) {
      yield* beside(Liveness.pings({
        activity,
        ping: socket.ping,
        interval: settings.pingInterval,
        timeout: settings.pongTimeout,
        onPong: hooks.onPong
      }))
    }

    // The handshake gets its turn to look at each batch. Later ones need not give way to anybody, as `Effect.forever`
    // would: the next pull waits for the socket.
    const shown = ({ room }: Early.Early) => Effect.zipRight(room, Effect.yieldNow())
    // A batch for which nobody has to wait, and of which nothing is lost, needs no fibre.
    const passOn = (batch: ReadonlyArray<Message>) => {
      if (early !== undefined || !inbox.keeps(batch.length)) return false
      activity.lastRead = clock.unsafeCurrentTimeMillis()
      put(batch)
      return true
    }
    const next = socket.handOver?.(passOn) ?? socket.pull
    const readOn: Effect.Effect<never, SocketError | InboxOverflow> = Effect.flatMap(next, (batch) => {
      activity.lastRead = clock.unsafeCurrentTimeMillis()
      return Effect.zipRight(early?.unsafeHold(batch) === true ? shown(early) : deliver(batch), readOn)
    })
    // What was held back during the handshake comes before the end.
    return yield* Effect.tapError(readOn, () => early?.finish ?? Effect.void)
  })

  const closed = Effect.sync(() => {
    course.over = true
    if (course.openedAt !== undefined) hooks.onClosed()
  })
  // In a fibre of its own, whose end this one only waits for. A scope that is closed by a long-lived fibre hands it the
  // fibre references of whoever added the finalizers: effect 3.22 keeps a history of those, so a loop of scopes in one
  // fibre grows with every turn (4 KiB and some time each).
  const life = yield* Effect.fork(orEnd(Effect.ensuring(Effect.scoped(orEnd(live)), closed)))
  // It takes a turn to start, and another to dial.
  yield* Effect.zipRight(Effect.yieldNow(), Effect.yieldNow())
  yield* hooks.meanwhile
  const error = yield* Effect.flip(Deferred.await(end))
  // What closing takes is no time open.
  const endedAt = yield* Clock.currentTimeMillis
  hooks.onEnding()
  // A peer that is not there cannot answer a close frame.
  if (error._tag === "ConnectionTimeout" && error.phase !== "open" && course.socket !== undefined) yield* course.socket.terminate
  if (!course.over) yield* Fiber.interrupt(life)

  const ended: Ended = {
    error,
    endedAt,
    opened: course.openedAt !== undefined,
    openFor: Duration.millis(course.openedAt === undefined ? 0 : endedAt - course.openedAt),
    messages: course.messages
  }
  return ended
})
