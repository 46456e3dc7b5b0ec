// The life after life of a connection: dial, live, decide, wait, dial again, until told to stop or out of reasons.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Connection } from "../Connection.ts"
import type { AttemptError, ConnectionError, NotConnected as NotConnectedError } from "../ConnectionError.ts"
import { NotConnected, ReconnectRequested, SendTimeout } from "../ConnectionError.ts"
import * as ConnectionEvent from "../ConnectionEvent.ts"
import * as ConnectionState from "../ConnectionState.ts"
import type { DialGate } from "../DialGate.ts"
import * as Frame from "../Frame.ts"
import type { Listenable } from "../Listenable.ts"
import * as Metrics from "../Metrics.ts"
import type { Socket, Transport } from "../Transport.ts"
import type { Entry, Inbox as InboxType } from "./inbox.ts"
import * as Inbox from "./inbox.ts"
import * as Journal from "./journal.ts"
import * as Life from "./life.ts"
import * as Machine from "./machine.ts"
import * as Outage from "./outage.ts"
import { merge } from "./reading.ts"
import * as Server from "./server.ts"
import type { Settings } from "./settings.ts"
import { within } from "./within.ts"
import { inWords } from "./words.ts"

export interface Supervised {
  readonly connection: Connection
  /** The same as `frames`, with the messages bare. */
  readonly entries: Listenable<Entry, ConnectionError>
}

type State<Tag extends ConnectionState.Tag> = Extract<ConnectionState.ConnectionState, { readonly _tag: Tag }>

// What lies between a `connect` and the `disconnect` or failure that ends it.
interface Run {
  readonly inbox: InboxType
  /** The open socket, while there is one. */
  socket: Socket | undefined
  /** Ends what is going on now: the open connection, or the wait for the next dial. */
  interrupt: Deferred.Deferred<never, AttemptError | ReconnectRequested> | undefined
  fiber: Fiber.RuntimeFiber<void> | undefined
}

// Gaps are rare: nearly always the batch passes as it is.
const messagesOf = (entries: ReadonlyArray<Entry>) =>
  entries.every(Inbox.isMessage) ? entries : entries.filter(Inbox.isMessage)

// What a user who asked for pings should know about a transport that has none.
const unableToPing = (transport: Transport, { messageTimeout, pingInterval }: Settings) => {
  if (transport.capabilities.ping || !Duration.isFinite(pingInterval)) return Effect.void
  return Duration.isFinite(messageTimeout)
    ? Effect.logInfo(
      `This transport cannot ping: a peer that is gone shows only by its silence, after ${inWords(messageTimeout)} of it.`
    )
    : Effect.logWarning("This transport cannot ping, and there is no messageTimeout: a peer that is gone is never noticed.")
}

export const supervise = Effect.fnUntraced(function*(transport: Transport, gate: DialGate, settings: Settings) {
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  let server = Server.unknownServer
  let epoch = 0
  const disconnected = ConnectionState.Disconnected({ since: now() })
  const machine = Machine.make(disconnected)
  const journal = Journal.make(() => server)
  const { record, writeLog } = journal
  const lock = Effect.unsafeMakeSemaphore(1)

  let counters = Metrics.forServer(server)

  const newRun = (): Run => ({
    inbox: Inbox.make({
      ...settings.inbox,
      epoch: () => epoch,
      onGap: (gap) => {
        journal.tell(ConnectionEvent.Gap({ at: now(), gap }))
      },
      onDropped: (count) => {
        counters.dropped(count)
      }
    }),
    socket: undefined,
    interrupt: undefined,
    fiber: undefined
  })

  const live = Effect.fnUntraced(function*(run: Run, first: State<"Connecting">) {
    const outage = Outage.make(settings.reconnect, settings.classify)
    let connecting = first
    let lost: { readonly at: number; readonly cause: Frame.GapCause } | undefined
    for (;;) {
      record(ConnectionEvent.Dialling({ at: connecting.since, attempt: connecting.attempt }))
      const end = yield* Deferred.make<never, AttemptError | ReconnectRequested>()
      const reached: { state: State<"Connecting"> | State<"Connected"> } = { state: connecting }
      const dialled = connecting

      const ended = yield* Life.run({
        transport,
        gate,
        settings,
        inbox: run.inbox,
        attempt: dialled.attempt,
        end,
        hooks: {
          onServer: (dialledServer) => {
            server = dialledServer
            counters = Metrics.forServer(server)
          },
          onOpened: (socket) => {
            const at = now()
            epoch++
            const before = lost
            lost = undefined
            const outageLasted = Option.map(Option.fromNullable(before), (lost) => Duration.millis(at - lost.at))
            run.socket = socket
            run.interrupt = end
            reached.state = machine.go(dialled, ConnectionState.Connected({ since: at, epoch }))
            record(ConnectionEvent.Opened({
              at,
              epoch,
              attempt: dialled.attempt,
              protocol: socket.protocol,
              took: Duration.millis(at - dialled.since),
              outage: outageLasted
            }))
            if (before === undefined) return
            const downtime = Duration.millis(at - before.at)
            run.inbox.mark(Frame.Gap({ epoch, cause: before.cause, downtime, dropped: 0 }))
          },
          onEnding: () => {
            run.socket = undefined
          },
          onClosed: () => {
            counters.gone()
          },
          meanwhile: writeLog,
          onMessages: (count) => {
            counters.received(count)
          },
          onPong: (roundTrip) =>
            Effect.sync(() => {
              counters.pong(roundTrip)
            })
        }
      })
      // Whoever is told what happened may want the next dial at once.
      const cut = run.interrupt = yield* Deferred.make<never, AttemptError | ReconnectRequested>()

      const at = now()
      const { error } = ended
      const proven = outage.settle(ended)
      if (ended.opened) {
        lost = { at: ended.endedAt, cause: error }
        record(ConnectionEvent.Lost({ at, epoch, cause: error, proven, openFor: ended.openFor, messages: ended.messages }))
      }

      let waiting: State<"Reconnecting">
      if (error._tag === "ReconnectRequested") {
        const attempt = outage.attempt()
        waiting = machine.go(
          reached.state,
          ConnectionState.Reconnecting({ since: at, attempt, nextDialAt: at, cause: error })
        )
      } else {
        if (!ended.opened) {
          record(ConnectionEvent.AttemptFailed({ at, attempt: dialled.attempt, cause: error }))
        }
        const decision = yield* outage.decide(error)
        if (decision._tag === "GivenUp") {
          run.interrupt = undefined
          machine.go(reached.state, ConnectionState.Failed({ since: at, error: decision.error }))
          record(ConnectionEvent.Failed({ at, ...decision }))
          yield* writeLog
          run.inbox.end(Exit.fail(decision.error))
          return
        }
        const until = at + Duration.toMillis(decision.delay)
        waiting = machine.go(
          reached.state,
          ConnectionState.Reconnecting({ since: at, attempt: decision.attempt, nextDialAt: until, cause: error })
        )
        record(ConnectionEvent.Waiting({ at, cause: error, until, ...decision }))
        if (until > at) {
          yield* writeLog
          yield* Effect.raceFirst(Effect.sleep(decision.delay), Effect.exit(Deferred.await(cut)))
        }
      }
      run.interrupt = undefined
      connecting = machine.go(waiting, ConnectionState.Connecting({ since: now(), attempt: waiting.attempt }))
    }
  })

  let current = newRun()

  // Starts in a state from which a dial may begin. The state is Connecting when this returns.
  const start = (from: State<"Disconnected"> | State<"Failed">) =>
    Effect.gen(function*() {
      const run = current = newRun()
      const connecting = machine.go(from, ConnectionState.Connecting({ since: now(), attempt: 0 }))
      // Whoever makes the connection may be uninterruptible, as the acquisition of a resource is: this fibre is not.
      run.fiber = yield* Effect.interruptible(live(run, connecting)).pipe(
        // A defect must not look like a quiet market, nor like a dial that is still under way.
        Effect.onExit((exit) =>
          Exit.isFailure(exit) && !Exit.isInterrupted(exit)
            ? Effect.zipRight(
              Effect.logError("The connection ended by a defect.", exit.cause),
              Effect.sync(() => {
                run.socket = undefined
                run.interrupt = undefined
                const state = machine.current()
                if (state._tag === "Connecting" || state._tag === "Connected" || state._tag === "Reconnecting") {
                  machine.go(state, ConnectionState.Disconnected({ since: now() }))
                }
                journal.tell(ConnectionEvent.Died({ at: now(), cause: exit.cause }))
                run.inbox.end(exit)
              })
            )
            : Effect.void
        ),
        Effect.forkDaemon
      )
      return run
    })

  yield* unableToPing(transport, settings)
  yield* start(disconnected)

  // Ends the run, wherever it is, and returns when its socket is gone.
  const stop = Effect.suspend(() => current.fiber === undefined ? Effect.void : Fiber.interrupt(current.fiber)).pipe(
    Effect.tap(() => {
      current.socket = undefined
      current.interrupt = undefined
    })
  )

  yield* Effect.addFinalizer(() =>
    stop.pipe(
      Effect.zipRight(Effect.suspend(() => {
        const state = machine.current()
        if (state._tag !== "Closed") machine.go(state, ConnectionState.Closed({ since: now() }))
        record(ConnectionEvent.Closed({ at: now() }))
        return writeLog
      })),
      Effect.zipRight(Effect.sync(() => {
        current.inbox.end(Exit.void)
        machine.end(Exit.void)
        journal.end(Exit.void)
      })),
      lock.withPermits(1)
    )
  )

  const notConnected = Effect.suspend(() => {
    const { _tag } = machine.current()
    return new NotConnected({ state: _tag === "Connected" ? "Closing" : _tag })
  })

  // The state says Connected until the old socket is gone.
  const isClosing = () => machine.current()._tag === "Connected" && current.socket === undefined

  const awaitOpen = Effect.suspend(() =>
    machine.changes().pipe(
      Stream.filter(({ _tag }) => _tag !== "Connecting" && _tag !== "Reconnecting" && !isClosing()),
      Stream.runHead,
      Effect.flatMap((settled): Effect.Effect<void, ConnectionError | NotConnectedError> => {
        if (Option.isNone(settled)) return notConnected
        if (settled.value._tag === "Connected") return Effect.void
        return settled.value._tag === "Failed" ? settled.value.error : notConnected
      })
    )
  )

  const openSocket: Effect.Effect<Socket, NotConnectedError> = Effect.suspend(() =>
    current.socket === undefined
      ? Effect.zipRight(Effect.catchAll(awaitOpen, () => notConnected), openSocket)
      : Effect.succeed(current.socket)
  )

  // In a fibre of its own: a caller inside the run, such as a handshake, is itself ended by it.
  const detached = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.flatMap(Effect.forkDaemon(lock.withPermits(1)(effect)), Fiber.join)

  const inboxes = Effect.sync(() => [current.inbox])

  // Streams are made for whoever reads them: each is 2 KiB, and of most connections only one is read.
  const connection: Connection = {
    get messages() {
      return merge(inboxes, messagesOf)
    },
    get frames() {
      return merge(inboxes, (entries) => entries.map(Inbox.toFrame))
    },
    get events() {
      return journal.events()
    },
    state: Effect.sync(machine.current),
    get changes() {
      return machine.changes()
    },
    awaitOpen,
    send: (message, options) =>
      Effect.suspend(() => {
        if (current.socket !== undefined) return Effect.succeed(current.socket)
        if (options?.deadline === undefined) return notConnected
        const deadline = Duration.decode(options.deadline)
        return within(deadline, () => new SendTimeout({ after: deadline }))(openSocket)
      }).pipe(
        Effect.flatMap((socket) => socket.send(message)),
        Effect.tap(() => {
          counters.sent(1)
        })
      ),
    reconnect: (reason) =>
      Effect.suspend(() => {
        if (current.interrupt !== undefined) return Deferred.fail(current.interrupt, new ReconnectRequested({ reason }))
        return machine.current()._tag === "Connecting" ? Effect.void : notConnected
      }).pipe(Effect.asVoid),
    disconnect: detached(Effect.suspend(() => {
      const state = machine.current()
      if (state._tag === "Disconnected" || state._tag === "Failed" || state._tag === "Closed") return Effect.void
      return Effect.gen(function*() {
        yield* stop
        const last = machine.current()
        // It may have been given up in the meantime: then that is how it ended.
        if (last._tag === "Disconnected" || last._tag === "Failed" || last._tag === "Closed") return
        machine.go(last, ConnectionState.Disconnected({ since: now() }))
        record(ConnectionEvent.Disconnected({ at: now() }))
        yield* writeLog
        current.inbox.end(Exit.void)
      })
    })),
    connect: detached(Effect.suspend(() => {
      const state = machine.current()
      switch (state._tag) {
        case "Disconnected":
        case "Failed":
          return Effect.asVoid(start(state))
        case "Closed":
          return notConnected
        default:
          return Effect.void
      }
    }))
  }
  const supervised: Supervised = {
    connection,
    get entries() {
      return merge(inboxes, identity)
    }
  }
  return supervised
})
