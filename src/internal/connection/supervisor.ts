// The life after life of a connection: dial, live, decide, wait, dial again, until told to stop or out of reasons.
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type { Connection } from "../../Connection.ts"
import type { ConnectionError, NotConnected as NotConnectedError } from "../../ConnectionError.ts"
import { NotConnected, ReconnectRequested, SendTimeout } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { DialGate } from "../../DialGate.ts"
import * as Frame from "../../Frame.ts"
import type { Listenable } from "../../Listenable.ts"
import * as Metrics from "../../Metrics.ts"
import type { Socket, Transport } from "../../Transport.ts"
import type { Entry, Inbox as InboxType } from "./inbox.ts"
import * as Inbox from "./inbox.ts"
import * as Journal from "./eventLog.ts"
import * as Life from "./attempt.ts"
import * as Machine from "./stateMachine.ts"
import * as Outage from "./retryState.ts"
import * as Reading from "../stream/cursors.ts"
import * as Server from "../transport/endpoint.ts"
import type { Settings } from "./settings.ts"
import { sleep } from "../time/sleep.ts"
import { within } from "../time/timeout.ts"
import { inWords } from "../time/durationText.ts"

export interface Supervised {
  readonly connection: Connection
  /** The same as `frames`, with the messages bare. */
  readonly entries: Listenable<Entry, ConnectionError>
}

type State<Tag extends ConnectionState.Tag> = Extract<ConnectionState.ConnectionState, { readonly _tag: Tag }>

// What lies between a `connect` and the `disconnect` or failure that ends it.
interface Run {
  readonly inbox: InboxType
  readonly outage: Outage.Outage
  /** When and why the last connection was lost, until the next one is open. */
  lost: { readonly at: number; readonly cause: Frame.GapCause } | undefined
  /** The open socket, while there is one. */
  socket: Socket | undefined
  /** Ends what is going on now: the open connection, or the wait for the next dial. */
  interrupt: ((request: ReconnectRequested) => void) | undefined
  /** Whoever was told what happened, or still sees it closing, wants the next dial at once. */
  isHurried: boolean
  /** What is going on now. */
  fiber: Fiber.RuntimeFiber<void> | undefined
  /** Nothing more begins. */
  stopped: boolean
}

// Gaps are rare: nearly always the batch passes as it is.
const messagesOf = (entries: ReadonlyArray<Entry>) =>
  entries.every(Inbox.isMessage) ? entries : entries.filter(Inbox.isMessage)

const framesOf = (entries: ReadonlyArray<Entry>) => entries.map(Inbox.toFrame)

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
  const runFork = Runtime.runFork(yield* Effect.runtime())
  const now = () => clock.unsafeCurrentTimeMillis()
  let server = Server.unknownServer
  let epoch = 0
  const disconnected = ConnectionState.Disconnected({ since: now() })
  const machine = Machine.make(disconnected)
  let counters = Metrics.make(server)
  const journal = Journal.make(() => server, () => counters)
  const { record, writeLog } = journal

  const newRun = (): Run => ({
    inbox: Inbox.make({
      capacity: settings.inbox.capacity,
      overflow: settings.inbox.overflow,
      epoch: () => epoch,
      onGap: (gap) => {
        journal.tell(ConnectionEvent.Gap({ at: now(), gap }))
      },
      onDropped: (count) => {
        counters.dropped(count)
      }
    }),
    outage: Outage.make(settings.reconnect, settings.classify),
    lost: undefined,
    socket: undefined,
    interrupt: undefined,
    isHurried: false,
    fiber: undefined,
    stopped: false
  })

  // A defect must not look like a quiet market, nor like a dial that is still under way.
  const die = (run: Run, cause: Cause.Cause<never>) =>
    Effect.zipRight(
      Effect.logError("The connection ended by a defect.", cause),
      Effect.sync(() => {
        run.socket = undefined
        run.interrupt = undefined
        const state = machine.current()
        if (state._tag === "Connecting" || state._tag === "Connected" || state._tag === "Reconnecting") {
          machine.go(state, ConnectionState.Disconnected({ since: now() }))
        }
        journal.tell(ConnectionEvent.Died({ at: now(), cause }))
        run.inbox.end(Exit.failCause(cause))
      })
    )

  // A run is one step after another, a life, a wait, the next life, each in a fibre of its own that begins the next when
  // all that must not be interrupted is done. So a life can be ended by interrupting it, which cannot be taken back; and a
  // scope is closed by a fibre that does not live long: effect 3.22 hands the fibre that closes one the fibre references
  // of whoever added its finalizers, and keeps a history of those (4 KiB and some time for each turn of a loop).
  const follow = (run: Run, step: Effect.Effect<void>) => {
    const guarded = Effect.catchAllCause(step, (cause) => run.stopped ? Effect.void : die(run, cause))
    return run.fiber = runFork(Effect.uninterruptible(guarded), { immediate: false })
  }

  const live = (run: Run, dialled: State<"Connecting">): Effect.Effect<void> =>
    Effect.suspend(() => {
      record(ConnectionEvent.Dialling({ at: dialled.since, attempt: dialled.attempt }))
      const reached: { state: State<"Connecting"> | State<"Connected"> } = { state: dialled }
      const life = Life.run({
        transport,
        gate,
        settings,
        inbox: run.inbox,
        attempt: dialled.attempt,
        hooks: {
          onServer: (dialledServer) => {
            if (Server.show(dialledServer) === Server.show(server)) return
            server = dialledServer
            counters = Metrics.make(server)
          },
          onOpened: (socket, end) => {
            const at = now()
            epoch++
            const before = run.lost
            run.lost = undefined
            run.socket = socket
            run.interrupt = end
            reached.state = machine.go(dialled, ConnectionState.Connected({ since: at, epoch }))
            record(ConnectionEvent.Opened({
              at,
              epoch,
              attempt: dialled.attempt,
              protocol: socket.protocol,
              took: Duration.millis(at - dialled.since),
              outage: Option.map(Option.fromNullable(before), (lost) => Duration.millis(at - lost.at))
            }))
            if (before === undefined) return
            const downtime = Duration.millis(at - before.at)
            run.inbox.mark(Frame.Gap({ epoch, cause: before.cause, downtime, dropped: 0 }))
          },
          onEnding: () => {
            run.socket = undefined
            run.isHurried = false
            run.interrupt = () => {
              run.isHurried = true
            }
          },
          onClosed: () => {
            counters.gone()
          },
          meanwhile: writeLog,
          onMessages: (count) => {
            counters.received(count)
          },
          onPong: (roundTrip) => {
            counters.pong(roundTrip)
          }
        }
      })
      return Effect.flatMap(life, (ended) => run.stopped ? Effect.void : decide(run, dialled, reached.state, ended))
    })

  const decide = (
    run: Run,
    dialled: State<"Connecting">,
    reached: State<"Connecting"> | State<"Connected">,
    { endedAt, error, messages, openFor, opened }: Life.Ended
  ): Effect.Effect<void> => Effect.gen(function*() {
    const { outage } = run
    const at = now()
    const proven = outage.settle({ opened, openFor, messages })
    if (opened) {
      run.lost = { at: endedAt, cause: error }
      record(ConnectionEvent.Lost({ at, epoch, cause: error, proven, openFor, messages }))
    }
    if (error._tag === "ReconnectRequested") {
      const requested = { since: at, attempt: outage.attempt(), nextDialAt: at, cause: error }
      redial(run, machine.go(reached, ConnectionState.Reconnecting(requested)))
      return
    }
    if (!opened) record(ConnectionEvent.AttemptFailed({ at, attempt: dialled.attempt, cause: error }))
    const decision = yield* outage.decide(error)
    if (decision._tag === "GivenUp") {
      run.interrupt = undefined
      machine.go(reached, ConnectionState.Failed({ since: at, error: decision.error }))
      record(ConnectionEvent.Failed({ at, ...decision }))
      yield* writeLog
      run.inbox.end(Exit.fail(decision.error))
      return
    }
    const { attempt, delay } = decision
    const until = at + Duration.toMillis(delay)
    const waiting = machine.go(
      reached,
      ConnectionState.Reconnecting({ since: at, attempt, nextDialAt: until, cause: error })
    )
    record(ConnectionEvent.Waiting({ at, cause: error, until, ...decision }))
    if (until > at) yield* writeLog
    if (!run.stopped) wait(run, waiting, delay)
  })

  const wait = (run: Run, waiting: State<"Reconnecting">, delay: Duration.Duration) => {
    if (run.isHurried || Duration.equals(delay, Duration.zero)) {
      redial(run, waiting)
      return
    }
    const slept = Effect.exit(Effect.interruptible(sleep(delay)))
    const fiber = follow(run, Effect.map(slept, () => {
      redial(run, waiting)
    }))
    run.interrupt = () => {
      fiber.unsafeInterruptAsFork(fiber.id())
    }
  }

  const redial = (run: Run, waiting: State<"Reconnecting">) => {
    run.interrupt = undefined
    if (run.stopped) return
    const connecting = machine.go(waiting, ConnectionState.Connecting({ since: now(), attempt: waiting.attempt }))
    follow(run, live(run, connecting))
  }

  let current = newRun()

  // Starts in a state from which a dial may begin. The state is Connecting when this returns.
  const start = (from: State<"Disconnected"> | State<"Failed">) => {
    const run = current = newRun()
    follow(run, live(run, machine.go(from, ConnectionState.Connecting({ since: now(), attempt: 0 }))))
  }

  yield* unableToPing(transport, settings)
  start(disconnected)

  // One at a time: `connect`, `disconnect` and the end.
  let lock: Effect.Semaphore | undefined
  const alone = <A, E>(effect: Effect.Effect<A, E>) => (lock ??= Effect.unsafeMakeSemaphore(1)).withPermits(1)(effect)

  // Ends the run, wherever it is, and returns when its socket is gone.
  const stop = Effect.suspend(() => {
    current.stopped = true
    return current.fiber === undefined ? Effect.void : Fiber.interrupt(current.fiber)
  }).pipe(
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
      alone
    )
  )

  const notConnected = Effect.suspend(() => {
    const { _tag } = machine.current()
    return new NotConnected({ state: _tag === "Connected" ? "Closing" : _tag })
  })

  // The state says Connected until the old socket is gone.
  const isClosing = () => machine.current()._tag === "Connected" && current.socket === undefined

  const awaitOpen = Effect.suspend(() =>
    machine.changes.pipe(
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
  const detached = <A, E>(effect: () => Effect.Effect<A, E>) =>
    Effect.suspend(() => Effect.flatMap(Effect.forkDaemon(alone(Effect.suspend(effect))), Fiber.join))

  const inboxes = () => [current.inbox]

  const connection: Connection = {
    messages: Reading.of(inboxes, messagesOf),
    frames: Reading.of(inboxes, framesOf),
    events: journal.events,
    state: Effect.sync(machine.current),
    changes: machine.changes,
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
        if (current.interrupt === undefined) return machine.current()._tag === "Connecting" ? Effect.void : notConnected
        current.interrupt(new ReconnectRequested({ reason }))
        return Effect.void
      }),
    disconnect: detached(() => {
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
    }),
    connect: detached(() => {
      const state = machine.current()
      switch (state._tag) {
        case "Disconnected":
        case "Failed":
          start(state)
          return Effect.void
        case "Closed":
          return notConnected
        default:
          return Effect.void
      }
    })
  }
  return { connection, entries: Reading.of(inboxes, identity) } satisfies Supervised
})
