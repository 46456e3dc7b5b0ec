// One life of a connection: dial, handshake, and then reading until it ends, which it always does with an error.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { AttemptError, ReconnectRequested } from "../../ConnectionError.ts"
import { ConnectionTimeout, InboxOverflow, OnOpenFailed, UrlUnavailable } from "../../ConnectionError.ts"
import type { DialGate } from "../../DialGate.ts"
import * as Liveness from "../../Liveness.ts"
import type { Message, Socket, Transport } from "../../Transport.ts"
import * as Early from "./handshakeBuffer.ts"
import type { Inbox } from "./inbox.ts"
import * as Server from "../transport/endpoint.ts"
import type { Settings } from "./settings.ts"
import { within } from "../time/timeout.ts"

export interface Hooks {
  readonly onServer: (server: Server.Server) => void
  /** The handshake is done; from here on messages are delivered, until it ends or is ended. */
  readonly onOpened: (socket: Socket, end: (error: ReconnectRequested) => void) => void
  /** It is over, and its socket, if there is one, about to be closed. */
  readonly onEnding: () => void
  /** A socket that was opened has gone away, however it did. */
  readonly onClosed: () => void
  /** Runs whenever something is on its way and there is time: the dial, the first messages. */
  readonly meanwhile: Effect.Effect<void>
  readonly onMessages: (count: number) => void
  readonly onPong: (roundTrip: Duration.Duration) => void
}

export interface Ended {
  readonly error: AttemptError | ReconnectRequested
  readonly endedAt: number
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
}

export interface Options {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly inbox: Inbox
  readonly attempt: number
  readonly hooks: Hooks
}

type EndError = AttemptError | ReconnectRequested

// How far a life has come.
interface Course {
  /** What it is lived in. */
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  readonly now: () => number
  socket: Socket | undefined
  openedAt: number | undefined
  messages: number
  /** When and why it ends. */
  end: { readonly at: number; readonly cause: Cause.Cause<EndError> } | undefined
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

const dial = ({ attempt, gate, hooks, settings, transport }: Options) =>
  Effect.flatMap(urlOf(settings), (given) => {
    const url = Redacted.isRedacted(given) ? given : Redacted.make(given)
    const server = Server.fromUrl(url)
    hooks.onServer(server)
    return transport.dial({ url, ...settings.dial }).pipe(
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

// The first end counts.
const settle = ({ hooks }: Options, course: Course, cause: Cause.Cause<EndError>) => {
  if (course.end === undefined) {
    course.end = { at: course.now(), cause }
    hooks.onEnding()
  }
  return course.end
}

const live = Effect.fnUntraced(function*(options: Options, course: Course, scope: Scope.Scope) {
  const { hooks, inbox, settings, transport } = options
  const { now } = course

  const end = (cause: Cause.Cause<EndError>) => {
    if (course.end !== undefined) return
    settle(options, course, cause)
    course.fiber.unsafeInterruptAsFork(course.fiber.id())
  }
  // None of what lives beside the reading succeeds for good.
  const orEnd = (effect: Effect.Effect<void, AttemptError>) =>
    Effect.catchAllCause(effect, (cause) => Effect.sync(() => {
      end(cause)
    }))

  // It takes a turn to dial, and less to find out that one cannot.
  yield* Effect.forkDaemon(Effect.zipRight(Effect.yieldNow(), hooks.meanwhile))
  const socket = course.socket = yield* Scope.extend(dial(options), scope)
  const activity: Liveness.Activity = {
    lastRead: now(),
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
    activity.suspendedAt = now()
    return Effect.map(inbox.offerAll(batch.slice(batch.length - left)), () => {
      activity.suspendedAt = undefined
      activity.resumedAt = activity.lastRead = now()
    })
  }

  // It must not open what is being closed.
  const open = Effect.suspend(() => {
    if (course.end !== undefined) return Effect.interrupt
    course.openedAt = now()
    hooks.onOpened(socket, (error) => {
      end(Cause.fail(error))
    })
    return Effect.void
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
    yield* Effect.forkIn(orEnd(handshake), scope)
    // What it says first leaves before the deadlines are set.
    yield* Effect.yieldNow()
  }

  const { messageTimeout, pongTimeout } = settings
  const pingInterval = transport.capabilities.ping ? settings.pingInterval : Duration.infinity
  if (Duration.isFinite(messageTimeout) || (Duration.isFinite(pingInterval) && Duration.isFinite(pongTimeout))) {
    const { onPong } = hooks
    const { ping } = socket
    yield* Effect.fork(orEnd(Liveness.watch({ activity, messageTimeout, ping, pingInterval, pongTimeout, onPong })))
  }

  // The handshake gets its turn to look at each batch. Later ones need not give way to anybody, as `Effect.forever`
  // would: the next one waits for the socket.
  const shown = ({ room }: Early.Early) => Effect.zipRight(room, Effect.yieldNow())
  const readOn = socket.receive((batch) => {
    // A batch for which nobody has to wait, and of which nothing is lost, needs no fibre.
    if (early !== undefined || !inbox.keeps(batch.length)) {
      return Effect.suspend(() => {
        activity.lastRead = now()
        return early?.unsafeHold(batch) === true ? shown(early) : deliver(batch)
      })
    }
    activity.lastRead = now()
    put(batch)
    return undefined
  })
  // What was held back during the handshake comes before the end.
  return onOpen === undefined ? readOn : Effect.tapError(readOn, () => early?.finish ?? Effect.void)
})

// A peer that is not there cannot answer a close frame.
const isGone = (error: EndError) => error._tag === "ConnectionTimeout" && error.phase !== "open"

// Whatever a transport does, the connection goes on.
const told = (closing: Effect.Effect<void>) =>
  Effect.catchAllCause(closing, (cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("The transport failed to close its socket.", cause))

const drop = ({ terminate }: Socket, { dial }: Settings) =>
  told(Effect.ignore(within(dial.closeTimeout, () => undefined)(Effect.disconnect(terminate)))).pipe(Effect.interruptible)

const close = Effect.fnUntraced(function*(
  options: Options,
  course: Course,
  scope: Scope.CloseableScope,
  cause: Cause.Cause<EndError>
) {
  // What closing takes is no time open.
  const end = settle(options, course, cause)
  const error = Cause.failureOrCause(end.cause)
  const { socket } = course
  const mustDrop = Either.isLeft(error) && isGone(error.left) && socket !== undefined
  const closing = Effect.zipRight(
    mustDrop ? drop(socket, options.settings) : Effect.void,
    told(Scope.close(scope, Exit.failCause(end.cause)))
  )
  // What a transport does when it closes may be interruptible, and must not be cut short where this fibre was interrupted.
  yield* Cause.isInterrupted(cause) ? Effect.flatMap(Effect.fork(closing), Fiber.await) : closing
  if (course.openedAt !== undefined) options.hooks.onClosed()
  if (Either.isRight(error)) return yield* Effect.failCause(error.right)
  const ended: Ended = {
    error: error.left,
    endedAt: end.at,
    opened: course.openedAt !== undefined,
    openFor: Duration.millis(course.openedAt === undefined ? 0 : end.at - course.openedAt),
    messages: course.messages
  }
  return ended
})

/**
 * To be run uninterruptibly, in a fibre of its own: it is this fibre that is interrupted when the life is ended from
 * outside, and which then goes on to say how it ended. Whoever else interrupts it ends it for good.
 */
export const run = (options: Options): Effect.Effect<Ended> =>
  Effect.withFiberRuntime((fiber) =>
    Effect.flatMap(Effect.zip(Effect.clock, Scope.make()), ([clock, scope]) => {
      const now = () => clock.unsafeCurrentTimeMillis()
      const course: Course = { fiber, now, socket: undefined, openedAt: undefined, messages: 0, end: undefined }
      const lived = Effect.flatten(live(options, course, scope))
      return Effect.catchAllCause(Effect.interruptible(lived), (cause) => close(options, course, scope, cause))
    })
  )
