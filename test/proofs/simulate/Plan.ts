/**
 * A plan: the settings of a run and the faults that strike in it, as data. fast-check draws it, shrinks it and prints it.
 * The same plan always gives the same run. All times are in milliseconds.
 */
import * as fc from "fast-check"
import type { Lie } from "./Lies.ts"
import * as Lies from "./Lies.ts"

/** The open sockets that a fault strikes. */
export type Target = "all" | "oldest" | "newest"

/** The faults of open sockets. */
export type SocketFault =
  | { readonly do: "close"; readonly on: Target; readonly code: number }
  /** A close frame, after which TCP stays open. */
  | { readonly do: "closeFrame"; readonly on: Target; readonly code: number }
  /** The next message arrives in small parts for so long. What follows waits behind it. */
  | { readonly do: "trickle"; readonly on: Target; readonly lasts: number }
  /** For so long, the peer takes few bytes of what is sent to it, and all of it then. */
  | { readonly do: "upload"; readonly on: Target; readonly lasts: number }
  /** The peer takes no more bytes, and goes on sending. */
  | { readonly do: "stuck"; readonly on: Target }
  | { readonly do: "reset" | "drop" | "silence" | "vanish" | "noPongs" | "malformed" | "oversize"; readonly on: Target }
  /** The latest messages are sent again. */
  | { readonly do: "repeat"; readonly on: Target; readonly count: number }
  /** The next messages are sent in reverse order. */
  | { readonly do: "reorder"; readonly on: Target; readonly count: number }
  /** The next messages are sent later by `by`, after the messages that follow them. */
  | { readonly do: "late"; readonly on: Target; readonly count: number; readonly by: number }
  /** The next messages are not sent. */
  | { readonly do: "skip"; readonly on: Target; readonly count: number }
  /** From now on, messages take `by` each way. */
  | { readonly do: "lag"; readonly on: Target; readonly by: number }
  /** One stream is muted until it is subscribed again, or until the socket ends. */
  | { readonly do: "mute"; readonly on: Target; readonly stream: number; readonly until: "resubscribed" | "gone" }

/** The faults of the next dials. */
export type DialFault =
  | { readonly how: "errno"; readonly code: string }
  | { readonly how: "status"; readonly status: number; readonly retryAfter: number | undefined }
  | { readonly how: "slow"; readonly by: number }
  | { readonly how: "hang" | "acceptThenClose" }

/** The refusals that usually mean that a dial can never succeed. */
export type RefusalFault =
  | { readonly how: "errno"; readonly code: string }
  | { readonly how: "status"; readonly status: number; readonly retryAfter: undefined }

/** The faults of REST requests. */
export type RestFault =
  | { readonly how: "status"; readonly status: number; readonly retryAfter: number | undefined }
  | { readonly how: "slow"; readonly by: number }
  | { readonly how: "hang" | "garbage" | "reset" }
  /** It answers with something else than the truth. */
  | { readonly how: "lies"; readonly lie: Lie }

/**
 * The faults of the next requests on sockets: not received, done without an answer, done and answered too late, refused
 * without the id of the request, refused with it.
 */
export type AckFault = "lost" | "unanswered" | "late" | "refused" | "refusedWithId"

export type ServerFault =
  | { readonly do: "acks"; readonly how: AckFault; readonly times: number }
  /** For so long, every nth request has this fault. */
  | { readonly do: "deaf"; readonly lasts: number; readonly how: AckFault; readonly nth: number }
  | { readonly do: "shutdown"; readonly notice: number }
  | { readonly do: "restart"; readonly downtime: number }
  | { readonly do: "dials"; readonly times: number; readonly fault: DialFault }
  /** All dials are refused for so long, as by a proxy that restarts or by a network that asks for a login. */
  | { readonly do: "refuses"; readonly lasts: number; readonly fault: RefusalFault }
  | { readonly do: "rest"; readonly times: number; readonly fault: RestFault }
  | { readonly do: "restDown"; readonly lasts: number; readonly fault: RestFault }
  /** The REST interface lags behind the sockets by `by`, for `lasts`. */
  | { readonly do: "restLags"; readonly by: number; readonly lasts: number }
  /** It ends the subscription of a stream. */
  | { readonly do: "dropStream"; readonly on: Target; readonly stream: number }
  /** The REST interface keeps only the latest events. */
  | { readonly do: "prune"; readonly keep: number }

export type LocalFault =
  | { readonly do: "stall"; readonly lasts: number }
  /** The wall clock is set forward or back. */
  | { readonly do: "setWall"; readonly by: number }
  /** The machine sleeps. Meanwhile its peers stay, or they give it up without a word. */
  | { readonly do: "sleep"; readonly lasts: number; readonly peers: "stay" | "gone" }

/** The calls of a feed's user. `reader` is the index of a reader of the plan, modulo their number. */
export type FeedCall =
  | { readonly do: "stop"; readonly reader: number }
  | { readonly do: "start"; readonly reader: number; readonly resume: boolean }
  | { readonly do: "pause"; readonly reader: number; readonly lasts: number }
  | { readonly do: "rotate" }

export type FeedAction = SocketFault | ServerFault | LocalFault | FeedCall

export interface Step<Action> {
  readonly after: number
  readonly action: Action
}

export type ReaderKind = "trade" | "aggTrade" | "kline_1s" | "depth@100ms" | "miniTicker" | "notice" | "book"

export interface Reader {
  readonly kind: ReaderKind
  readonly symbol: "BTCUSDT" | "ETHUSDT"
  /** The time that it takes for each event. */
  readonly dawdles: number
  /** Whether the reader is a listener. A listener takes no time. */
  readonly listens?: boolean
}

export interface FeedPlan {
  readonly seed: number
  readonly market: number
  readonly redundancy: number
  readonly streamsPerConnection: number
  readonly buffer: number
  readonly repairLimit: number
  readonly maxAge: number
  /** The age at which the exchange closes a connection. */
  readonly serverMaxAge: number
  readonly inbox: { readonly capacity: number; readonly overflow: "suspend" | "sliding" | "dropping" }
  readonly weightPerMinute: number
  readonly bookLevels: number
  readonly readers: ReadonlyArray<Reader>
  readonly steps: ReadonlyArray<Step<FeedAction>>
}

/** The calls of a connection's user. */
export type ConnectionCall =
  | { readonly do: "disconnect" | "connect" }
  | { readonly do: "reconnect" }
  | { readonly do: "send"; readonly deadline: number | undefined }
  | { readonly do: "awaitOpen" }
  | { readonly do: "pause"; readonly lasts: number }

export type ConnectionAction =
  | Exclude<SocketFault, { readonly do: "mute" }>
  | Extract<ServerFault, { readonly do: "restart" | "dials" | "refuses" }>
  | LocalFault
  | ConnectionCall
  /** The peer sends so many messages at once. */
  | { readonly do: "say"; readonly count: number }

export interface ConnectionPlan {
  readonly seed: number
  readonly reconnect: {
    readonly enabled: boolean
    readonly maxRetries: number | "unlimited"
    readonly initialDelay: number
    readonly maxDelay: number
    readonly backoffMultiplier: number
    readonly jitterFactor: number
    readonly stableAfter: number
    readonly provenBy: "pong" | "message" | "open"
  }
  readonly openTimeout: number
  readonly messageTimeout: number | undefined
  readonly pingInterval: number | undefined
  readonly pongTimeout: number
  readonly inbox: { readonly capacity: number; readonly overflow: "suspend" | "sliding" | "dropping" | "fail" }
  /** The handshake: none, a question that is answered, one that is not, or one that fails. */
  readonly onOpen: "none" | "asks" | "askedInVain" | "fails"
  /** The time between two messages of the peer. */
  readonly says: number
  readonly gate: boolean
  /** Whether a listener gets the items, instead of a reader. */
  readonly listens?: boolean
  readonly steps: ReadonlyArray<Step<ConnectionAction>>
}

/** What a server does to requests that have a topic. Undefined topic: to all requests. */
export type TopicFault =
  /** It ends the subscription of a topic. */
  | { readonly do: "dropTopic"; readonly topic: number }
  /** It refuses the next requests, for a time that it names or not. */
  | { readonly do: "refuseTopic"; readonly topic: number | undefined; readonly times: number; readonly retry: number | undefined }
  /** For so long, it does not do what is asked, or does it and answers late or never. */
  | { readonly do: "ignoreTopic"; readonly topic: number | undefined; readonly lasts: number; readonly how: "lost" | "unanswered" | "late" }

/** The calls of a session's user: it reads a topic, or stops. */
export type SessionCall = { readonly do: "join" | "leave"; readonly topic: number }

export type SessionAction =
  | Exclude<SocketFault, { readonly do: "mute" | "repeat" | "reorder" | "late" | "skip" }>
  | Extract<ServerFault, { readonly do: "restart" | "dials" | "refuses" }>
  | LocalFault
  | TopicFault
  | SessionCall

export interface SessionPlan {
  readonly seed: number
  readonly topics: number
  readonly maxBatch: number
  /** What an answer says: the id of its request, the topics, both or neither. */
  readonly answers: "ids" | "topics" | "both" | "bare"
  /** Whether the server refuses a topic that is subscribed already. */
  readonly picky: boolean
  /** The time between two messages of a topic. */
  readonly says: number
  readonly steps: ReadonlyArray<Step<SessionAction>>
}

// ---------------------------------------------------------------------------------------------------------------------
// Generators

export const target: fc.Arbitrary<Target> = fc.constantFrom("all", "oldest", "newest")
const millis = (least: number, most: number) => fc.integer({ min: least, max: most })

// Mostly codes that are retried, some that are retried a limited number of times, and some that are fatal.
const closeCode = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 4000) },
  { weight: 2, arbitrary: fc.constantFrom(1002, 1007, 1008) },
  { weight: 1, arbitrary: fc.constantFrom(1003, 1010) }
)

const plain = fc.constantFrom(
  "reset" as const,
  "drop" as const,
  "silence" as const,
  "vanish" as const,
  "noPongs" as const,
  "malformed" as const,
  "oversize" as const
)

const socketFault = fc.oneof(
  fc.record({ do: fc.constantFrom("close" as const, "closeFrame" as const), on: target, code: closeCode }),
  fc.record({ do: fc.constantFrom("trickle" as const, "upload" as const), on: target, lasts: millis(1_000, 60_000) }),
  fc.record({ do: fc.constant("stuck" as const), on: target }),
  fc.record({ do: plain, on: target }),
  fc.record({ do: fc.constant("repeat" as const), on: target, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant("reorder" as const), on: target, count: fc.integer({ min: 2, max: 8 }) }),
  fc.record({
    do: fc.constant("late" as const),
    on: target,
    count: fc.integer({ min: 1, max: 5 }),
    by: millis(50, 5_000)
  }),
  fc.record({ do: fc.constant("skip" as const), on: target, count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ do: fc.constant("lag" as const), on: target, by: fc.oneof(fc.constant(0), millis(10, 2_000)) })
)

const mute = fc.record({
  do: fc.constant("mute" as const),
  on: target,
  stream: fc.nat(5),
  until: fc.constantFrom("resubscribed" as const, "gone" as const)
})

const seconds = (least: number, most: number) => fc.integer({ min: least, max: most })
const retryAfter = fc.option(seconds(1, 20), { nil: undefined })

const dialFault: fc.Arbitrary<DialFault> = fc.oneof(
  fc.record({
    how: fc.constant("errno" as const),
    code: fc.oneof(
      {
        weight: 9,
        arbitrary: fc.constantFrom("ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ECONNRESET", "ETIMEDOUT", "EMFILE")
      },
      { weight: 1, arbitrary: fc.constantFrom("CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT") }
    )
  }),
  fc.record({
    how: fc.constant("status" as const),
    status: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(429, 503, 418) },
      { weight: 4, arbitrary: fc.constantFrom(500, 502, 504, 408) },
      { weight: 1, arbitrary: fc.constantFrom(401, 403, 404, 301) }
    ),
    retryAfter
  }),
  fc.record({ how: fc.constant("slow" as const), by: millis(50, 8_000) }),
  fc.record({ how: fc.constantFrom("hang" as const, "acceptThenClose" as const) })
)

export const restFault: fc.Arbitrary<RestFault> = fc.oneof(
  fc.record({
    how: fc.constant("status" as const),
    status: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(500, 503, 429, 418) },
      { weight: 1, arbitrary: fc.constantFrom(400, 403) }
    ),
    retryAfter
  }),
  fc.record({ how: fc.constant("slow" as const), by: millis(100, 8_000) }),
  fc.record({ how: fc.constantFrom("hang" as const, "garbage" as const, "reset" as const) })
)

/** A REST interface that lies. */
export const lies: fc.Arbitrary<RestFault> = fc.record({ how: fc.constant("lies" as const), lie: fc.constantFrom(...Lies.all) })

const restart = fc.record({ do: fc.constant("restart" as const), downtime: millis(0, 30_000) })
const dials = fc.record({ do: fc.constant("dials" as const), times: fc.integer({ min: 1, max: 8 }), fault: dialFault })
const refuses = fc.record({
  do: fc.constant("refuses" as const),
  lasts: millis(1_000, 60_000),
  fault: fc.oneof<Array<fc.Arbitrary<RefusalFault>>>(
    fc.record({
      how: fc.constant("status" as const),
      status: fc.constantFrom(400, 401, 403, 404, 410, 421, 301, 302),
      retryAfter: fc.constant(undefined)
    }),
    fc.record({ how: fc.constant("errno" as const), code: fc.constantFrom("CERT_HAS_EXPIRED", "HOSTNAME_MISMATCH") })
  )
})
const hour = 3_600_000
const setWall = fc.record({ do: fc.constant("setWall" as const), by: fc.oneof(fc.constantFrom(hour, -hour), fc.integer({ min: -30_000, max: 30_000 })) })
export const local: fc.Arbitrary<LocalFault> = fc.oneof(
  fc.record({ do: fc.constant("stall" as const), lasts: millis(500, 30_000) }),
  setWall,
  fc.record({ do: fc.constant("sleep" as const), lasts: millis(500, 60_000), peers: fc.constantFrom("stay" as const, "gone" as const) })
)

const serverFault: fc.Arbitrary<ServerFault> = fc.oneof(
  fc.record({
    do: fc.constant("acks" as const),
    how: fc.constantFrom<AckFault>("lost", "unanswered", "late", "refused", "refusedWithId"),
    times: fc.integer({ min: 1, max: 4 })
  }),
  fc.record({
    do: fc.constant("deaf" as const),
    lasts: millis(5_000, 90_000),
    how: fc.constantFrom<AckFault>("lost", "lost", "unanswered", "late", "refused", "refusedWithId"),
    nth: fc.constantFrom(1, 1, 2, 3)
  }),
  fc.record({ do: fc.constant("shutdown" as const), notice: millis(0, 10_000) }),
  restart,
  dials,
  refuses,
  fc.record({ do: fc.constant("rest" as const), times: fc.integer({ min: 1, max: 6 }), fault: restFault }),
  fc.record({ do: fc.constant("restDown" as const), lasts: millis(1_000, 90_000), fault: restFault }),
  fc.record({ do: fc.constant("rest" as const), times: fc.integer({ min: 1, max: 6 }), fault: lies }),
  fc.record({ do: fc.constant("restDown" as const), lasts: millis(5_000, 90_000), fault: lies }),
  fc.record({ do: fc.constant("dropStream" as const), on: target, stream: fc.nat(5) }),
  fc.record({ do: fc.constant("restLags" as const), by: millis(100, 20_000), lasts: millis(1_000, 60_000) }),
  fc.record({ do: fc.constant("prune" as const), keep: fc.integer({ min: 1, max: 200 }) })
)

const feedCall: fc.Arbitrary<FeedCall> = fc.oneof(
  fc.record({ do: fc.constant("stop" as const), reader: fc.nat(8) }),
  fc.record({ do: fc.constant("start" as const), reader: fc.nat(8), resume: fc.boolean() }),
  fc.record({ do: fc.constant("pause" as const), reader: fc.nat(8), lasts: millis(100, 20_000) }),
  fc.record({ do: fc.constant("rotate" as const) })
)

const feedAction: fc.Arbitrary<FeedAction> = fc.oneof(
  { weight: 5, arbitrary: socketFault },
  { weight: 1, arbitrary: mute },
  { weight: 4, arbitrary: serverFault },
  { weight: 1, arbitrary: local },
  { weight: 3, arbitrary: feedCall }
)

// Actions that break no connection. Nothing may be missing or fetched then.
const harmless: fc.Arbitrary<FeedAction> = fc.oneof(
  fc.record({ do: fc.constant("rotate" as const) }),
  setWall,
  fc.record({ do: fc.constant("rest" as const), times: fc.integer({ min: 1, max: 6 }), fault: restFault }),
  fc.record({ do: fc.constant("prune" as const), keep: fc.integer({ min: 1, max: 200 }) })
)

/** Whether no step can break a connection. */
export const isHarmless = (steps: ReadonlyArray<Step<FeedAction>>): boolean =>
  steps.every(({ action }) => action.do === "rotate" || action.do === "rest" || action.do === "prune" || action.do === "setWall")

// Faults strike close together as often as far apart: those in the middle of a recovery find the most.
const pause = fc.oneof(millis(0, 200), millis(0, 3_000), millis(0, 15_000))

const step = <A>(action: fc.Arbitrary<A>) => fc.record({ after: pause, action })

// Something is missing while the REST interface lies.
const lyingRepair: fc.Arbitrary<ReadonlyArray<Step<FeedAction>>> = fc.tuple(
  step<FeedAction>(fc.record({ do: fc.constant("restDown" as const), lasts: millis(3_000, 30_000), fault: lies })),
  fc.record({
    after: millis(0, 1_000),
    action: fc.oneof(
      fc.record({ do: fc.constantFrom("reset" as const, "drop" as const), on: target }),
      fc.record({ do: fc.constant("skip" as const), on: target, count: fc.integer({ min: 1, max: 40 }) })
    )
  }),
  fc.record({ after: millis(1_000, 10_000), action: feedAction })
)

const reader: fc.Arbitrary<Reader> = fc.record({
  kind: fc.constantFrom("trade", "aggTrade", "kline_1s", "depth@100ms", "miniTicker", "notice", "book"),
  symbol: fc.constantFrom("BTCUSDT", "ETHUSDT"),
  dawdles: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: millis(1, 400) }),
  listens: fc.boolean()
}).map((reader) => reader.dawdles === 0 ? reader : { ...reader, listens: false })

const readers = (minLength: number, maxLength: number) =>
  fc.uniqueArray(reader, { minLength, maxLength, selector: ({ kind, symbol }) => `${symbol}@${kind}` })

export const feedPlan: fc.Arbitrary<FeedPlan> = fc.record({
  seed: fc.nat(),
  market: fc.constantFrom(1, 2),
  redundancy: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(2) }),
  streamsPerConnection: fc.constantFrom(1024, 4, 3, 2, 1),
  buffer: fc.constantFrom(8_192, 256, 16),
  repairLimit: fc.constantFrom(100_000, 100_000, 20),
  maxAge: fc.constantFrom(86_400_000, 60_000, 25_000),
  serverMaxAge: fc.constantFrom(86_400_000, 90_000, 40_000),
  inbox: fc.record({
    capacity: fc.constantFrom(4_096, 64, 4),
    overflow: fc.constantFrom("suspend" as const, "suspend" as const, "sliding" as const, "dropping" as const)
  }),
  weightPerMinute: fc.constantFrom(6_000, 6_000, 200),
  bookLevels: fc.constantFrom(100, 20, 5),
  // Runs with few readers are quick, so more of them are made. Many readers share the REST budget and the connections.
  readers: fc.oneof({ weight: 3, arbitrary: readers(1, 3) }, { weight: 1, arbitrary: readers(4, 9) }),
  steps: fc.oneof(
    { weight: 5, arbitrary: fc.array(step(feedAction), { minLength: 1, maxLength: 12 }) },
    { weight: 1, arbitrary: fc.array(lyingRepair, { minLength: 1, maxLength: 4 }).map((repairs) => repairs.flat()) },
    { weight: 1, arbitrary: fc.array(step(harmless), { minLength: 1, maxLength: 6 }) }
  )
}).map((plan) => {
  if (isHarmless(plan.steps)) {
    return {
      ...plan,
      serverMaxAge: 86_400_000,
      inbox: { capacity: 4_096, overflow: "suspend" as const },
      readers: plan.readers.map((reader) => ({ ...reader, dawdles: 0 }))
    }
  }
  // A small inbox that drops messages needs more REST requests than a small budget allows.
  const losesMuch = plan.inbox.overflow !== "suspend" && plan.inbox.capacity < 64
  return losesMuch ? { ...plan, weightPerMinute: 6_000 } : plan
})

const connectionCall: fc.Arbitrary<ConnectionCall> = fc.oneof(
  fc.record({ do: fc.constantFrom("disconnect" as const, "connect" as const, "connect" as const) }),
  fc.record({ do: fc.constant("reconnect" as const) }),
  fc.record({
    do: fc.constant("send" as const),
    deadline: fc.option(millis(1, 20_000), { nil: undefined })
  }),
  fc.record({ do: fc.constant("awaitOpen" as const) }),
  fc.record({ do: fc.constant("pause" as const), lasts: millis(100, 30_000) })
)

const connectionAction: fc.Arbitrary<ConnectionAction> = fc.oneof(
  { weight: 5, arbitrary: socketFault },
  { weight: 4, arbitrary: dials },
  { weight: 1, arbitrary: restart },
  { weight: 1, arbitrary: refuses },
  { weight: 2, arbitrary: local },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("say" as const), count: fc.constantFrom(1, 20, 200, 3_000) }) },
  { weight: 4, arbitrary: connectionCall }
)

export const connectionPlan: fc.Arbitrary<ConnectionPlan> = fc.record({
  seed: fc.nat(),
  reconnect: fc.record({
    enabled: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    maxRetries: fc.constantFrom("unlimited" as const, "unlimited" as const, 0, 1, 3, 8),
    initialDelay: fc.constantFrom(1_000, 100),
    maxDelay: fc.constantFrom(60_000, 5_000, 1_000),
    backoffMultiplier: fc.constantFrom(2, 1.5, 1),
    jitterFactor: fc.constantFrom(0.25, 0, 1),
    stableAfter: fc.constantFrom(5_000, 0, 500),
    provenBy: fc.constantFrom("pong" as const, "message" as const, "open" as const)
  }),
  openTimeout: fc.constantFrom(10_000, 2_000),
  messageTimeout: fc.constantFrom(30_000, 5_000, undefined),
  pingInterval: fc.constantFrom(20_000, 3_000, undefined),
  pongTimeout: fc.constantFrom(10_000, 1_000),
  inbox: fc.record({
    capacity: fc.constantFrom(4_096, 16, 2),
    overflow: fc.constantFrom("suspend" as const, "suspend" as const, "sliding" as const, "dropping" as const, "fail" as const)
  }),
  onOpen: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("none" as const, "asks" as const) },
    { weight: 1, arbitrary: fc.constantFrom("askedInVain" as const, "fails" as const) }
  ),
  says: fc.constantFrom(1_000, 250, 20_000),
  gate: fc.boolean(),
  listens: fc.boolean(),
  steps: fc.array(step(connectionAction), { minLength: 1, maxLength: 15 })
})

const topicIndex = fc.nat(5)
const anyTopic = fc.option(topicIndex, { nil: undefined })

const topicFault: fc.Arbitrary<TopicFault> = fc.oneof(
  fc.record({ do: fc.constant("dropTopic" as const), topic: topicIndex }),
  fc.record({
    do: fc.constant("refuseTopic" as const),
    topic: anyTopic,
    times: fc.integer({ min: 1, max: 3 }),
    retry: fc.option(seconds(1, 20), { nil: undefined })
  }),
  fc.record({
    do: fc.constant("ignoreTopic" as const),
    topic: anyTopic,
    lasts: millis(1_000, 60_000),
    how: fc.constantFrom("lost" as const, "unanswered" as const, "late" as const)
  })
)

const sessionSocketFault = fc.oneof(
  fc.record({ do: fc.constantFrom("close" as const, "closeFrame" as const), on: target, code: closeCode }),
  fc.record({ do: fc.constantFrom("trickle" as const, "upload" as const), on: target, lasts: millis(1_000, 60_000) }),
  fc.record({
    do: fc.constantFrom("stuck" as const, "reset" as const, "drop" as const, "silence" as const, "vanish" as const, "noPongs" as const),
    on: target
  }),
  fc.record({ do: fc.constant("lag" as const), on: target, by: fc.oneof(fc.constant(0), millis(10, 2_000)) })
)

const sessionCall: fc.Arbitrary<SessionCall> = fc.record({ do: fc.constantFrom("join" as const, "leave" as const), topic: topicIndex })

const isLate = ({ action }: Step<SessionAction>) => "how" in action && action.how === "late"

const sessionAction: fc.Arbitrary<SessionAction> = fc.oneof(
  { weight: 4, arbitrary: topicFault },
  { weight: 2, arbitrary: sessionSocketFault },
  { weight: 1, arbitrary: dials },
  { weight: 1, arbitrary: restart },
  { weight: 1, arbitrary: refuses },
  { weight: 1, arbitrary: local },
  { weight: 2, arbitrary: sessionCall }
)

export const sessionPlan: fc.Arbitrary<SessionPlan> = fc.record({
  seed: fc.nat(),
  topics: fc.integer({ min: 1, max: 6 }),
  maxBatch: fc.constantFrom(6, 2, 1),
  answers: fc.constantFrom("ids" as const, "topics" as const, "both" as const, "bare" as const),
  picky: fc.boolean(),
  says: fc.constantFrom(250, 1_000),
  steps: fc.oneof(
    { weight: 2, arbitrary: fc.array(step(sessionAction), { minLength: 1, maxLength: 10 }) },
    // Nothing but what a server does to single topics. No other topic may notice.
    { weight: 1, arbitrary: fc.array(step<SessionAction>(topicFault), { minLength: 1, maxLength: 6 }) }
  )
  // An answer that names nothing, and comes after its time, cannot be told from that of the next request.
}).map((plan) => plan.answers === "bare" && plan.steps.some(isLate) ? { ...plan, answers: "topics" } : plan)
