/**
 * Runs one plan against a bare connection, where every state, wait and message can be accounted for, and says what it
 * broke.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionEvent, ConnectionState, Item } from "holdfast"
import { Connection, DialGate, Transport } from "holdfast"
import { Failure, Venue } from "holdfast/binance"
import * as Invariants from "./Invariants.ts"
import type { ConnectionAction, ConnectionPlan } from "./Plan.ts"
import * as Network from "./SimulatedNetwork.ts"
import type { Outcome } from "./Outcome.ts"
import { Livelock } from "./VirtualTime.ts"
import * as World from "./World.ts"

const healsWithin = 240_000

/** One reading of the frames, from a connect to what ended it. */
interface Reading {
  readonly frames: Array<Invariants.Item>
  running: World.Running<void, unknown>
}

// What a call may take beyond its own deadline, when the peer is slow to say goodbye.
const politeness = 10_000

export const run = (plan: ConnectionPlan): Outcome => {
  const world = World.make(plan.seed)
  const { look, report, time } = world
  let said = 0
  const requested = plan.steps.some(({ action }) =>
    action.do === "connect" || action.do === "disconnect" || action.do === "reconnect"
  )
  const network = Network.make({
    time,
    report,
    messagesPerSecond: Number.POSITIVE_INFINITY,
    lag: 0,
    dialLimit: { limit: plan.gate ? 300 : Number.POSITIVE_INFINITY, window: 300_000 },
    obeysRetryAfter: plan.gate || !requested,
    host: {
      refuse: () => undefined,
      onOpen: (peer) => {
        const say = () => {
          if (!peer.isOpen()) return
          peer.say(`number ${++said}`)
          time.after(plan.says, say)
        }
        time.after(plan.says, say)
      },
      onMessage: (peer, text) => {
        if (text === "are you ready?" && plan.onOpen === "asks") peer.say(`yes ${++said}`)
      }
    }
  })

  const events: Array<ConnectionEvent.ConnectionEvent> = []
  const changes: Array<ConnectionState.ConnectionState> = []
  const readings: Array<Reading> = []
  let pausedUntil = 0

  const outcome = (): Outcome => ({
    violations: world.violations,
    virtualMillis: world.elapsed(),
    dials: network.dialled().length,
    frames: network.received().length,
    read: readings.reduce((sum, { frames }) => sum + frames.length, 0),
    gaps: readings.reduce((sum, { frames }) => sum + frames.filter(({ _tag }) => _tag === "Gap").length, 0)
  })

  const onOpen: Connection.Options["onOpen"] = plan.onOpen === "none"
    ? undefined
    : plan.onOpen === "fails"
    ? () => Effect.fail("it does not want to")
    : ({ receive, send }) =>
      Effect.zipRight(
        send("are you ready?"),
        Effect.repeat(receive, { until: (message) => String(message).startsWith("yes") })
      )

  const program = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const made = Connection.make({
      url: "ws://peer.test/chat?token=secret",
      reconnect: plan.reconnect,
      openTimeout: plan.openTimeout,
      messageTimeout: plan.messageTimeout ?? Duration.infinity,
      pingInterval: plan.pingInterval ?? Duration.infinity,
      pongTimeout: plan.pongTimeout,
      maxMessageBytes: 64 * 1024,
      inbox: plan.inbox,
      classify: Failure.classify,
      onOpen
    }).pipe(Effect.provideService(Transport.Transport, network.transport), Scope.extend(scope))
    const connection = yield* plan.gate ? Effect.provideService(made, DialGate.DialGate, DialGate.make(Venue.spot.dials)) : made
    return { connection, scope }
  })

  const started = world.run(Effect.flatMap(program, ({ connection, scope }) =>
    Effect.sync(() => {
      // Before it has had its first turn.
      const watching = [
        world.run(Stream.runForEach(connection.changes, (state) =>
          Effect.sync(() => {
            changes.push(state)
          }))),
        world.run(Stream.runForEach(connection.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "EventsDropped") report({ invariant: "states", detail: `${event.count} events dropped` })
            else events.push(event)
          })))
      ]
      return { connection, scope, watching }
    }))).exit()
  if (started === undefined || Exit.isFailure(started)) {
    report({ invariant: "hangs", detail: "the connection was not made" })
    return outcome()
  }
  const { connection, scope, watching } = started.value

  const stateNow = () => {
    const state = look(connection.state)
    if (Exit.isFailure(state)) throw new Error("a state that cannot be read")
    return state.value
  }

  const read = () => {
    const frames: Array<Invariants.Item> = []
    const reading: Reading = { frames, running: { exit: () => undefined, interrupt: () => undefined } }
    readings.push(reading)
    const note = (frame: Item.Item) => {
      frames.push(
        frame._tag === "Data"
          ? { _tag: "Data", text: String(frame.data) }
          : { _tag: "Gap", dropped: frame.dropped, cause: frame.cause.message }
      )
    }
    const listening = connection.items.listen((batch) => {
      batch.forEach(note)
    })
    reading.running = world.run(plan.listens === true ? listening : Stream.runForEach(connection.items, (frame) => {
      note(frame)
      return pausedUntil > time.now() ? Effect.sleep(pausedUntil - time.now()) : Effect.void
    }))
  }

  // What was asked for must be answered in time.
  const calls: Array<{ readonly what: string; readonly until: number; readonly running: World.Running<unknown, unknown> }> = []
  const call = (what: string, within: number, effect: Effect.Effect<unknown, unknown>) => {
    calls.push({ what, until: time.now() + within, running: world.run(effect) })
  }
  const checkCalls = () => {
    for (const { running, until, what } of calls) {
      if (running.exit() === undefined && time.now() > until) {
        report({ invariant: "hangs", detail: `${what} has no end` })
      }
    }
  }

  const disconnected = (): boolean => {
    const { _tag } = stateNow()
    return _tag === "Disconnected" || _tag === "Failed"
  }

  const act = (action: ConnectionAction) => {
    switch (action.do) {
      case "disconnect": {
        call("disconnect", politeness, connection.disconnect)
        break
      }
      case "connect": {
        const afresh = disconnected()
        const before = changes.length
        call("connect", politeness, connection.connect)
        if (!afresh) break
        if (changes.length === before) report({ invariant: "states", detail: "connect did nothing" })
        read()
        break
      }
      case "reconnect": {
        const { _tag } = stateNow()
        const asked = world.run(connection.reconnect("the user asked for it")).exit()
        const refused = asked === undefined || Exit.isFailure(asked)
        const down = _tag === "Disconnected" || _tag === "Failed" || _tag === "Closed"
        if (refused !== down) report({ invariant: "states", detail: `reconnect ${refused ? "failed" : "succeeded"} when ${_tag}` })
        break
      }
      case "send":
        call("send", (action.deadline ?? 0) + 1_000, connection.send("hello", { deadline: action.deadline }))
        break
      case "awaitOpen":
        call("awaitOpen", Number.POSITIVE_INFINITY, connection.awaitOpen)
        break
      case "pause":
        pausedUntil = time.now() + action.lasts
        break
      case "say":
        for (const peer of network.peers()) {
          for (let i = 0; i < action.count; i++) peer.say(`number ${++said}`)
        }
        break
      case "stall":
        time.stall(action.lasts)
        break
      case "dials":
        network.dials(action.times, action.fault)
        break
      case "restart":
        network.restart(action.downtime)
        break
      default:
        network.strike(action)
    }
    time.flush()
  }

  // What was read from sockets and by nobody: one batch of a socket, the inbox, and what its reader has taken of it.
  const mostHeld = 1_024 + 2 * plan.inbox.capacity
  const checkMemory = () => {
    if (plan.inbox.overflow !== "suspend" || plan.onOpen !== "none" || readings.length > 1) return
    const read = readings.reduce((sum, { frames }) => sum + frames.filter(({ _tag }) => _tag === "Data").length, 0)
    const dropped = readings.reduce((sum, { frames }) => sum + frames.reduce((all, frame) => all + (frame._tag === "Gap" ? frame.dropped : 0), 0), 0)
    const held = network.received().length - read - dropped
    if (held > mostHeld) report({ invariant: "memory", detail: `${held} messages are held, and ${mostHeld} may be` })
  }

  // The frames a fault repeats are not news of the peer's, and would be read twice.
  const repeats = plan.steps.some(({ action }) => action.do === "repeat")

  try {
    read()
    for (const { action, after } of plan.steps) {
      time.advance(after)
      act(action)
      checkCalls()
      checkMemory()
    }
    time.advance(1_000)
    network.calm()
    const willing = plan.reconnect.enabled && plan.reconnect.maxRetries === "unlimited" &&
      (plan.onOpen === "none" || plan.onOpen === "asks")
    const tells = { silence: plan.messageTimeout !== undefined, pongs: plan.pingInterval !== undefined }
    let healed = false
    for (let waited = 0; waited < healsWithin && !healed; waited += 5_000) {
      time.advance(5_000)
      healed = stateNow()._tag === "Connected" && waited > 30_000 && network.isHealthy(tells)
    }
    if (willing && !healed && !disconnected()) {
      report({ invariant: "heals", detail: `${stateNow()._tag}, ${healsWithin / 1_000} s after the last fault` })
    }
    checkCalls()
    const last = stateNow()
    Invariants.checkStates({ changes, events, state: last, report })

    const closed = world.run(Scope.close(scope, Exit.void))
    time.advance(politeness)
    if (closed.exit() === undefined) report({ invariant: "hangs", detail: "the scope does not close" })
    time.advance(60_000)
    Invariants.checkStates({ changes, events, state: stateNow(), report })
    for (const { running, what } of calls) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: `${what} goes on, and the scope is closed` })
      running.interrupt()
    }
    for (const { running } of [...readings, ...watching.map((running) => ({ running }))]) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: "a stream goes on, and the scope is closed" })
      running.interrupt()
    }
    if (network.open() > 0 || network.held() > 0) {
      report({ invariant: "leaks", detail: `${network.open()} sockets, ${network.held()} dials` })
    }
    if (time.sleeping() > 0) report({ invariant: "leaks", detail: `${time.sleeping()} timers` })
    if (world.fibers() > 0) report({ invariant: "leaks", detail: `${world.fibers()} fibres` })
  } catch (error) {
    if (!(error instanceof Livelock)) throw error
    report({ invariant: "hangs", detail: error.message })
  }

  Invariants.checkPolicy({ name: "the connection", policy: plan.reconnect, events, onRequest: requested, report })
  Invariants.checkDials(network.dialled(), events, plan.gate, report)
  if (!repeats) {
    Invariants.checkFrames({
      received: network.received(),
      readings: readings.map(({ frames }) => frames),
      all: plan.onOpen === "none",
      report
    })
  }
  return outcome()
}
