/**
 * Runs one plan against a bare connection, where every state, wait and message can be checked, and returns the violations.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionState, Item } from "holdfast"
import { Connection, DialGate, Transport } from "holdfast"
import { Failure, Venue } from "holdfast/binance"
import * as CommonFaults from "./CommonFaults.ts"
import * as Invariants from "./Invariants.ts"
import type { ConnectionAction, ConnectionPlan } from "./Plan.ts"
import * as Network from "./SimulatedNetwork.ts"
import type { Outcome } from "./Outcome.ts"
import { Livelock } from "./VirtualTime.ts"
import * as World from "./World.ts"

const healsWithin = 240_000

/** One run of the items, from a `connect` to its end. */
interface Reading {
  readonly items: Array<Invariants.Item>
  running: World.Running<void, unknown>
}

// A call may take this much longer than its deadline, because the peer is slow to close.
const closeTakes = 10_000

export const run = (plan: ConnectionPlan): Outcome => {
  const world = World.make(plan.seed)
  const { runSync, report, time } = world
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
    uploadShows: plan.pongTimeout + (plan.messageTimeout ?? 0) / 4 + 1_000,
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

  const events: Array<Invariants.Seen> = []
  const eventsOnly = () => events.map(({ event }) => event)
  const changes: Array<ConnectionState.ConnectionState> = []
  const readings: Array<Reading> = []
  let pausedUntil = 0

  const outcome = (): Outcome => ({
    violations: world.violations,
    virtualMillis: world.elapsed(),
    exercised: world.exercised(),
    dials: network.dialled().length,
    messages: network.received().length,
    read: readings.reduce((sum, { items }) => sum + items.length, 0),
    gaps: readings.reduce((sum, { items }) => sum + items.filter(({ _tag }) => _tag === "Gap").length, 0)
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
      // Before the first turn of the connection's fibres.
      const watching = [
        world.run(Stream.runForEach(connection.changes, (state) =>
          Effect.sync(() => {
            changes.push(state)
          }))),
        world.run(Stream.runForEach(connection.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "EventsDropped") report({ invariant: "states", detail: `${event.count} events dropped` })
            else events.push({ moment: time.now(), event, pongs: network.pongs() })
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
    const state = runSync(connection.state)
    if (Exit.isFailure(state)) throw new Error("the state cannot be read")
    return state.value
  }

  const read = () => {
    const items: Array<Invariants.Item> = []
    const reading: Reading = { items, running: { exit: () => undefined, interrupt: () => undefined } }
    readings.push(reading)
    const note = (item: Item.Item) => {
      items.push(
        item._tag === "Data"
          ? { _tag: "Data", text: String(item.data) }
          : { _tag: "Gap", dropped: item.dropped, cause: item.cause.message }
      )
    }
    const listening = connection.items.listen((batch) => {
      batch.forEach(note)
    })
    reading.running = world.run(plan.listens === true ? listening : Stream.runForEach(connection.items, (item) => {
      note(item)
      return pausedUntil > time.now() ? Effect.sleep(pausedUntil - time.now()) : Effect.void
    }))
  }

  // Every call must end in time.
  const calls: Array<{ readonly what: string; readonly until: number; readonly running: World.Running<unknown, unknown> }> = []
  const call = (what: string, within: number, effect: Effect.Effect<unknown, unknown>) => {
    calls.push({ what, until: time.monotonic() + within, running: world.run(effect) })
  }
  const checkCalls = () => {
    for (const { running, until, what } of calls) {
      if (running.exit() === undefined && time.monotonic() > until) {
        report({ invariant: "hangs", detail: `${what} does not end` })
      }
    }
  }

  const disconnected = (): boolean => {
    const { _tag } = stateNow()
    return _tag === "Disconnected" || _tag === "Failed"
  }

  // A send without a deadline lasts as long as its socket takes no bytes.
  const stuckSends = plan.steps.some(({ action }) => action.do === "stuck" || action.do === "upload")
  const noStop = plan.reconnect.enabled && plan.reconnect.maxRetries === "unlimited" && !requested
  let sends = 0
  const send = (deadline: number | undefined) => {
    const message = `hello ${++sends}`
    const within = deadline === undefined ? stuckSends ? Number.POSITIVE_INFINITY : 1_000 : deadline + 1_000
    const sending = Effect.tapBoth(connection.send(message, { deadline }), {
      onSuccess: () => Effect.sync(() => {
        if (!network.taken().includes(message)) report({ invariant: "truth", detail: `"${message}" counts as sent, but no socket took it` })
      }),
      onFailure: (error) => Effect.sync(() => {
        const wasTaken = network.taken().includes(message)
        const isOpenTimeout = error._tag === "SendTimeout" && error.stage === "open"
        if (wasTaken && (isOpenTimeout || error._tag === "NotConnected")) {
          report({ invariant: "truth", detail: `a socket took "${message}", but it failed with: ${error.message}` })
        }
        const isLoss = error._tag === "NotConnected" || (error._tag === "SendFailed" && !wasTaken)
        if (deadline !== undefined && isLoss && noStop && stateNow()._tag !== "Failed" && stateNow()._tag !== "Closed") {
          report({ invariant: "heals", detail: `"${message}" did not wait for the next connection: ${error.message}` })
        }
      })
    })
    call("send", within, sending)
  }

  // A peer that has gone while the machine slept is found out by a ping at once: it is noticed within a second, and given the
  // time for a pong, and a second more if the event loop stalls.
  let slept = 0
  const mayStopReading = plan.inbox.overflow === "suspend" && plan.steps.some(({ action }) => action.do === "pause" || action.do === "say")
  const sleepMachine = (fault: Extract<ConnectionAction, { readonly do: "sleep" }>) => {
    const isThere = CommonFaults.sleep({ time, network }, fault)
    const nth = ++slept
    const due = time.monotonic() + plan.pongTimeout + 3_000
    if (plan.pingInterval === undefined || mayStopReading || fault.lasts < 2_000) return
    time.after(plan.pongTimeout + 3_000, () => {
      if (slept === nth && time.monotonic() >= due && isThere()) report({ invariant: "heals", detail: "a peer that had gone while the machine slept was not found out" })
    })
  }

  const act = (action: ConnectionAction) => {
    switch (action.do) {
      case "disconnect": {
        call("disconnect", closeTakes, connection.disconnect)
        break
      }
      case "connect": {
        const wasDown = disconnected()
        const before = changes.length
        call("connect", closeTakes, connection.connect)
        if (!wasDown) break
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
        send(action.deadline)
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
        slept++
        CommonFaults.inject({ time, network }, action)
        break
      case "sleep":
        sleepMachine(action)
        break
      default:
        if (CommonFaults.isCommon(action)) CommonFaults.inject({ time, network }, action)
        else network.inject(action)
    }
    time.flush()
  }

  // The most messages between the sockets and the reader: one batch of a socket, the inbox, and what the reader has taken.
  const mostHeld = 1_024 + 2 * plan.inbox.capacity
  const checkMemory = () => {
    if (plan.inbox.overflow !== "suspend" || plan.onOpen !== "none" || readings.length > 1) return
    const read = readings.reduce((sum, { items }) => sum + items.filter(({ _tag }) => _tag === "Data").length, 0)
    const dropped = readings.reduce((sum, { items }) => sum + items.reduce((all, item) => all + (item._tag === "Gap" ? item.dropped : 0), 0), 0)
    const held = network.received().length - read - dropped
    if (held > mostHeld) report({ invariant: "memory", detail: `${held} messages are held, more than ${mostHeld}` })
  }

  // A fault that repeats messages makes the reader get them twice. Then they are not checked.
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
    const deadlines = { idle: plan.messageTimeout !== undefined, pongs: plan.pingInterval !== undefined }
    let healed = false
    for (let waited = 0; waited < healsWithin && !healed; waited += 5_000) {
      time.advance(5_000)
      healed = stateNow()._tag === "Connected" && waited > 30_000 && network.isHealthy(deadlines)
    }
    if (willing && !healed && !disconnected()) {
      report({ invariant: "heals", detail: `${stateNow()._tag}, ${healsWithin / 1_000} s after the last fault` })
    }
    checkCalls()
    const last = stateNow()
    Invariants.checkStates({ changes, events: eventsOnly(), state: last, report })

    const closed = world.run(Scope.close(scope, Exit.void))
    time.advance(closeTakes)
    if (closed.exit() === undefined) report({ invariant: "hangs", detail: "the scope does not close" })
    time.advance(60_000)
    Invariants.checkStates({ changes, events: eventsOnly(), state: stateNow(), report })
    for (const { running, what } of calls) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: `${what} goes on after the scope was closed` })
      running.interrupt()
    }
    for (const { running } of [...readings, ...watching.map((running) => ({ running }))]) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: "a stream goes on after the scope was closed" })
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

  const latePongs = plan.steps.some(({ action }) =>
    ["lag", "stall", "sleep", "trickle", "upload", "stuck", "pause", "say"].includes(action.do))
  Invariants.checkPolicy({ name: "the connection", policy: plan.reconnect, events, onRequest: requested, unanswered: false, latePongs, report })
  Invariants.checkDials(network.dialled(), events, plan.gate, report)
  const numbers = network.taken().flatMap((text) => text.startsWith("hello") ? Number(text.slice(6)) : [])
  if (numbers.some((number, i) => i > 0 && number < (numbers[i - 1] ?? 0))) {
    report({ invariant: "truth", detail: `sent in the order ${numbers.join(", ")}` })
  }
  if (!repeats) {
    Invariants.checkItems({
      received: network.received(),
      readings: readings.map(({ items }) => items),
      all: plan.onOpen === "none",
      report
    })
  }
  return outcome()
}
