/**
 * Runs one plan against a session and a server that subscribes, refuses, drops and forgets, and returns the violations.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SessionProtocol } from "holdfast"
import { Session, Transport } from "holdfast"
import { Failure } from "holdfast/binance"
import * as CommonFaults from "./CommonFaults.ts"
import * as Invariants from "./Invariants.ts"
import type { Outcome } from "./Outcome.ts"
import type { SessionAction, SessionPlan, TopicFault } from "./Plan.ts"
import * as Network from "./SimulatedNetwork.ts"
import { Livelock } from "./VirtualTime.ts"
import * as World from "./World.ts"

const policy = {
  enabled: true,
  maxRetries: "unlimited",
  initialDelay: 500,
  maxDelay: 10_000,
  backoffMultiplier: 2,
  jitterFactor: 0.25,
  stableAfter: 5_000,
  provenBy: "pong"
} as const

// The longest wait of a topic that is refused again and again (one minute) and of the connection, with some deadlines.
const healsWithin = 240_000
const answerTakes = 30
const lateAnswerTakes = 7_000
// A topic that has had data ends with the sixth refusal.
const refusalsForgiven = 5
// Binance's limit, as that of any server.
const messagesPerSecond = 5

/** One run of a topic's stream. */
interface Reading {
  readonly topic: string
  readonly items: Array<number | "gap">
  running: World.Running<void, unknown>
  left: boolean
}

const protocol = (plan: SessionPlan): SessionProtocol.SessionProtocol<number> => ({
  subscribe: (topics, id) => `sub ${id} ${topics.join(",")}`,
  unsubscribe: (topics, id) => `unsub ${id} ${topics.join(",")}`,
  parse: (message) => {
    const [word = "", id = "", topics = "", retry = "", ...reason] = String(message).split(" ")
    const named = { id: id === "-" ? undefined : Number(id), topics: topics === "-" ? undefined : topics.split(",") }
    switch (word) {
      case "ok":
        return { _tag: "Acknowledged", ...named }
      case "no":
        return { _tag: "Refused", ...named, reason: reason.join(" "), retry: retry === "-" ? undefined : `${Number(retry)} seconds` }
      case "dropped":
        return { _tag: "Dropped", topic: id, reason: "dropped on purpose" }
      case "data":
        return { _tag: "Data", topic: id, data: Number(topics) }
      default:
        return { _tag: "Invalid", reason: "unknown", excerpt: word }
    }
  },
  maxBatch: plan.maxBatch,
  pace: { limit: 2, window: "1 second" },
  cadence: () => "exempt"
})

const nameOf = (topic: number) => `topic${topic}`

/** Whether the plan only has faults of single topics. */
const isLocal = ({ do: what, ...facts }: SessionAction): boolean =>
  what === "dropTopic" || ((what === "refuseTopic" || what === "ignoreTopic") && "topic" in facts && facts.topic !== undefined)

export const run = (plan: SessionPlan): Outcome => {
  const world = World.make(plan.seed)
  const { report, time } = world
  const topicOf = (index: number) => nameOf(index % plan.topics)
  const topics = Array.from({ length: plan.topics }, (_, i) => nameOf(i))

  // -------------------------------------------------------------------------------------------------------------------
  // The server

  const refusing: Array<Extract<TopicFault, { readonly do: "refuseTopic" }>> = []
  let ignoring: Array<{ readonly until: number; readonly fault: Extract<TopicFault, { readonly do: "ignoreTopic" }> }> = []
  // How often each topic was refused or dropped.
  const setbacks = new Map<string, number>()
  const setBack = (topic: string) => setbacks.set(topic, (setbacks.get(topic) ?? 0) + 1)
  let number = 0

  const concerns = (fault: { readonly topic: number | undefined }, asked: ReadonlyArray<string>) =>
    fault.topic === undefined ? asked : asked.filter((topic) => topic === topicOf(fault.topic ?? 0))

  const answer = (peer: Network.Peer, text: string): string => {
    const [method = "", id = "", list = ""] = text.split(" ")
    const asked = list.split(",")
    const said = (word: string, named: ReadonlyArray<string>, ...rest: ReadonlyArray<string>) => {
      const shownId = plan.answers === "ids" || plan.answers === "both" ? id : "-"
      const shownTopics = plan.answers === "topics" || plan.answers === "both" ? named.join(",") : "-"
      return [word, shownId, shownTopics, ...rest].join(" ")
    }
    if (method === "unsub") {
      for (const topic of asked) peer.streams.delete(topic)
      return said("ok", asked)
    }
    const fault = refusing.find((one) => concerns(one, asked).length > 0)
    if (fault !== undefined) {
      refusing.splice(refusing.indexOf(fault), 1)
      asked.forEach(setBack)
      // A server that names the refused topics serves the others.
      const refused = plan.answers === "topics" || plan.answers === "both" ? concerns(fault, asked) : asked
      const others = asked.filter((topic) => !refused.includes(topic))
      for (const topic of others) peer.streams.add(topic)
      if (others.length > 0) peer.say(said("ok", others))
      return said("no", refused, fault.retry === undefined ? "-" : String(fault.retry), "on purpose")
    }
    const known = asked.filter((topic) => peer.streams.has(topic))
    if (plan.picky && known.length > 0) {
      const others = asked.filter((topic) => !known.includes(topic))
      for (const topic of others) peer.streams.add(topic)
      if (others.length > 0 && (plan.answers === "topics" || plan.answers === "both")) peer.say(said("ok", others))
      return said("no", known, "-", "already subscribed")
    }
    for (const topic of asked) peer.streams.add(topic)
    return said("ok", asked)
  }

  const network = Network.make({
    time,
    report,
    messagesPerSecond,
    lag: 0,
    dialLimit: { limit: Number.POSITIVE_INFINITY, window: 1 },
    obeysRetryAfter: true,
    uploadShows: 5_000 + 15_000 / 4 + 1_000,
    host: {
      refuse: () => undefined,
      onOpen: () => undefined,
      onMessage: (peer, text) => {
        const asked = text.split(" ")[2]?.split(",") ?? []
        ignoring = ignoring.filter(({ until }) => time.now() < until)
        const how = ignoring.find(({ fault }) => concerns(fault, asked).length > 0)?.fault.how
        if (how === "lost") return
        const answered = answer(peer, text)
        if (how === "late") time.after(lateAnswerTakes, () => peer.say(answered))
        else if (how === undefined) time.after(answerTakes, () => peer.say(answered))
      }
    }
  })

  let isRunning = true
  const sayData = () => {
    if (!isRunning) return
    number++
    for (const peer of network.peers()) {
      for (const topic of peer.streams) peer.say(`data ${topic} ${number}`)
    }
    time.after(plan.says, sayData)
  }
  time.after(plan.says, sayData)

  // -------------------------------------------------------------------------------------------------------------------
  // The session

  const events: Array<Invariants.Seen> = []
  const readings: Array<Reading> = []

  const outcome = (): Outcome => ({
    violations: world.violations,
    virtualMillis: world.elapsed(),
    exercised: world.exercised(),
    dials: network.dialled().length,
    messages: network.received().length,
    read: readings.reduce((sum, { items }) => sum + items.length, 0),
    gaps: readings.reduce((sum, { items }) => sum + items.filter((item) => item === "gap").length, 0)
  })

  const program = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const session = yield* Session.make({
      connection: {
        url: "ws://peer.test/topics",
        reconnect: policy,
        openTimeout: 5_000,
        messageTimeout: 15_000,
        pingInterval: 10_000,
        pongTimeout: 5_000,
        classify: Failure.classify
      },
      protocol: protocol(plan)
    }).pipe(Effect.provideService(Transport.Transport, network.transport), Scope.extend(scope))
    return { session, scope }
  })
  const started = world.run(Effect.map(program, ({ scope, session }) => {
    // Before the first turn of the connection's fibres.
    const watching = world.run(Stream.runForEach(session.connection.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "EventsDropped") report({ invariant: "states", detail: `${event.count} events dropped` })
        else events.push({ moment: time.now(), event, pongs: network.pongs(), answers: network.received().length, asked: network.taken().length })
      })))
    return { scope, session, watching }
  })).exit()
  if (started === undefined || Exit.isFailure(started)) {
    report({ invariant: "hangs", detail: "the session was not made" })
    return outcome()
  }
  const { scope, session, watching } = started.value

  const current = (topic: string) => readings.findLast((reading) => reading.topic === topic)

  const join = (topic: string) => {
    const before = current(topic)
    if (before !== undefined && !before.left && before.running.exit() === undefined) return
    const reading: Reading = { topic, items: [], running: { exit: () => undefined, interrupt: () => undefined }, left: false }
    readings.push(reading)
    reading.running = world.run(Stream.runForEach(session.stream(topic), (item) =>
      Effect.sync(() => {
        reading.items.push(item._tag === "Gap" ? "gap" : item.data)
      })))
  }

  const act = (action: SessionAction) => {
    switch (action.do) {
      case "join":
        join(topicOf(action.topic))
        break
      case "leave": {
        const reading = current(topicOf(action.topic))
        if (reading === undefined) break
        reading.left = true
        reading.running.interrupt()
        break
      }
      case "dropTopic":
        for (const peer of network.peers()) {
          const topic = topicOf(action.topic)
          if (!peer.streams.delete(topic)) continue
          setBack(topic)
          peer.say(`dropped ${topic}`)
        }
        break
      case "refuseTopic":
        for (let i = 0; i < action.times; i++) refusing.push(action)
        break
      case "ignoreTopic":
        ignoring.push({ until: time.now() + action.lasts, fault: action })
        break
      default:
        if (CommonFaults.isCommon(action)) CommonFaults.inject({ time, network }, action)
        else network.inject(action)
    }
    time.flush()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The checks

  // What is missing between two messages of a topic must have a gap between them.
  const checkItems = ({ items, topic }: Reading) => {
    let last: number | undefined
    let hasGap = false
    for (const item of items) {
      if (item === "gap") {
        hasGap = true
        continue
      }
      if (last !== undefined && item <= last) report({ invariant: "truth", detail: `${topic}: ${item} came after ${last}` })
      if (last !== undefined && item > last + 1 && !hasGap) {
        report({ invariant: "truth", detail: `${topic}: ${item} came after ${last} without a gap` })
      }
      last = item
      hasGap = false
    }
  }

  const hasFailed = () => events.some(({ event }) => event._tag === "Failed")

  // A topic may end only if the server refused it, did not answer it, or if the connection failed.
  const checkEnd = (reading: Reading) => {
    const exit = reading.running.exit()
    if (exit === undefined || reading.left || hasFailed()) return
    const cause = Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0] ?? "" : "without an error"
    const wrong = (detail: string) => report({ invariant: "heals", detail: `${reading.topic} ended, ${detail}: ${cause}` })
    if (cause.includes("already subscribed")) wrong("though it was subscribed")
    if (cause.includes("SubscriptionRefused")) {
      const count = setbacks.get(reading.topic) ?? 0
      if (count === 0) wrong("but was never refused")
      if (reading.items.some((item) => item !== "gap") && count <= refusalsForgiven) wrong(`after ${count} setbacks`)
    } else if (!cause.includes("SubscriptionUnanswered")) wrong("for no reason of the server")
  }

  const findIncomplete = (): string | undefined => {
    for (const topic of topics) {
      const reading = current(topic)
      if (reading === undefined || reading.left || reading.running.exit() !== undefined) continue
      const last = reading.items.findLast((item) => item !== "gap")
      if (typeof last !== "number" || last < number - 5_000 / plan.says - 1) return `${topic} is at ${last ?? "nothing"} of ${number}`
    }
    return undefined
  }

  try {
    for (const topic of topics) join(topic)
    for (const { action, after } of plan.steps) {
      time.advance(after)
      act(action)
    }
    time.advance(30_000)
    network.calm()
    refusing.length = 0
    ignoring.length = 0
    let incomplete = findIncomplete()
    for (let waited = 0; waited < healsWithin; waited += 5_000) {
      time.advance(5_000)
      incomplete = findIncomplete()
      if (hasFailed() || (incomplete === undefined && waited >= 30_000)) break
    }
    if (incomplete !== undefined && !hasFailed()) {
      report({ invariant: "heals", detail: `${healsWithin / 1_000} s after the last fault: ${incomplete}` })
    }
    for (const reading of readings) {
      checkItems(reading)
      checkEnd(reading)
    }
    // No other topic may notice what the server does to some.
    const victims = new Set(plan.steps.flatMap(({ action }) => "topic" in action && action.topic !== undefined ? [topicOf(action.topic)] : []))
    if (plan.steps.every(({ action }) => isLocal(action)) && victims.size < plan.topics) {
      for (const { items, running, topic } of readings.filter((reading) => !victims.has(reading.topic))) {
        // Without any data, the connection is lost for its silence.
        if (items.slice(items.findIndex((item) => item !== "gap")).includes("gap")) report({ invariant: "patience", detail: `${topic} has a gap, but only others had faults` })
        if (running.exit() !== undefined) report({ invariant: "patience", detail: `${topic} ended, but only others had faults` })
      }
    }

    const closed = world.run(Scope.close(scope, Exit.void))
    time.advance(10_000)
    if (closed.exit() === undefined) report({ invariant: "hangs", detail: "the scope does not close" })
    isRunning = false
    time.advance(60_000)
    for (const { running, topic } of [...readings, { running: watching, topic: "the stream of events" }]) {
      if (running.exit() === undefined) report({ invariant: "hangs", detail: `${topic} goes on after the session was closed` })
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
  Invariants.checkPolicy({ name: "the session", policy, events, onRequest: false, unanswered: true, latePongs: true, report })
  return outcome()
}
