/**
 * The server of a venue, in memory and on the test clock: its sockets and its REST interface. It publishes the facts of the market
 * ({@link Truth}) to subscribers, as messages of the venue ({@link Wire}), and breaks on command.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import { ConnectionError, Transport } from "holdfast"
import * as Truth from "./Truth.ts"

/** A request of a client, and its possible answers. */
export interface Request {
  readonly subscribe: ReadonlyArray<string>
  readonly unsubscribe: ReadonlyArray<string>
  readonly accepted: string
  readonly refused: string
}

/** The part of the market that the REST interface has: the numbers from `oldest` to `latest`. */
export interface History {
  readonly oldest: number
  readonly latest: number
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** The messages of a venue, and the answers of its REST interface. */
export interface Wire {
  /** The topic of each channel. */
  readonly topics: Readonly<Record<Truth.Channel, string>>
  /** Parses a request of a client. */
  readonly request: (message: string) => Request
  /** The message with which a subscription to a topic begins, when this number is the latest. Default: none has one. */
  readonly greeting?: (topic: string, latest: number, before: number) => string | undefined
  /** The notice that the venue will close the connection soon. */
  readonly farewell: string
  /** Messages that no decoder accepts. */
  readonly invalid: ReadonlyArray<string>
  /** The message with a fact, given the time and the number of earlier messages of the topic on the socket. */
  readonly message: (fact: Truth.Fact, at: number, before: number) => string
  /** The answer of the REST interface. */
  readonly rest: (url: URL, history: History) => Answer
  /** The answer of the REST interface that nothing of the kind exists. */
  readonly rejection: Answer
}

interface Peer {
  /** The number of messages so far, by topic. */
  readonly subscribed: Map<string, number>
  readonly send: (message: string) => void
  readonly end: (code: number, errno?: string) => Effect.Effect<void>
  /** It does not answer at all: no pings, and no close. */
  isGone: boolean
  /** It sends no messages, and answers pings. */
  isMute: boolean
  /** The number of messages that it still loses. */
  losing: number
  /** The number of updates of the book that it still sends with a level that is not in the book. */
  garbling: number
  /** The delay of its messages, in ticks. */
  late: number
}

/** The open sockets that a fault strikes. Default: all. */
export type Which = "all" | "oldest" | "newest"

export interface Server {
  /** The latest number that was published. */
  readonly latest: () => number
  readonly dials: () => number
  readonly openSockets: () => number
  /** The number of requests to the REST interface. */
  readonly requests: () => number

  /** Resets TCP connections. */
  readonly reset: (which?: Which) => Effect.Effect<void>
  /** Resets all sockets and refuses dials for this time. */
  readonly outage: (lasts: Duration.DurationInput) => Effect.Effect<void>
  /** Stops all messages; pings are still answered. */
  readonly mute: (which?: Which) => Effect.Effect<void>
  /** Stops all messages and all answers, as when a cable is pulled. */
  readonly vanish: (which?: Which) => Effect.Effect<void>
  /** Loses the next messages. */
  readonly lose: (messages: number, which?: Which) => Effect.Effect<void>
  /** Puts a level that is not in the book into the next updates of the book. */
  readonly garble: (updates: number, which?: Which) => Effect.Effect<void>
  /** Sends all messages this many ticks later from now on. */
  readonly delay: (ticks: number, which?: Which) => Effect.Effect<void>
  /** Sends a message to all sockets. */
  readonly send: (message: string) => Effect.Effect<void>
  /** Closes the next sockets as soon as they are open. */
  readonly acceptThenClose: (times: number) => Effect.Effect<void>
  /** Refuses subscriptions to a topic. */
  readonly refuse: (topic: string) => Effect.Effect<void>

  /** Lets the REST interface lag by this many ticks. */
  readonly restLags: (ticks: number) => Effect.Effect<void>
  /**
   * Lets the REST interface answer with this status, say that nothing of the kind exists, reset requests, or work again
   * (`undefined`).
   */
  readonly restFails: (how: number | "rejects" | "reset" | undefined) => Effect.Effect<void>
  /** Lets every answer of the REST interface take this long. */
  readonly restTakes: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** Prunes the history of the REST interface before this number. */
  readonly forgetBefore: (number: number) => Effect.Effect<void>
}

export const Server: Context.Tag<Server, Server> = Context.GenericTag<Server>("test/market/Server")

export const layer = (wire: Wire): Layer.Layer<Server | Transport.Transport | HttpClient.HttpClient> =>
  Layer.scopedContext(Effect.gen(function*() {
    const peers = new Set<Peer>()
    const refused = new Set<string>()
    let latest = -1
    let dials = 0
    let downUntil = 0
    let closing = 0
    let requests = 0
    let restLag = 0
    let restTakes = Duration.millis(20)
    let restFailure: number | "rejects" | "reset" | undefined
    let oldest = 0

    // -----------------------------------------------------------------------------------------------------------------
    // Sockets

    const answerRequest = (peer: Peer, message: string) => {
      const { accepted, refused: answer, subscribe, unsubscribe } = wire.request(message)
      if (subscribe.some((topic) => refused.has(topic))) return peer.send(answer)
      for (const topic of subscribe) peer.subscribed.set(topic, peer.subscribed.get(topic) ?? 0)
      for (const topic of unsubscribe) peer.subscribed.delete(topic)
      peer.send(accepted)
      for (const topic of subscribe) {
        const before = peer.subscribed.get(topic) ?? 0
        const greeting = wire.greeting?.(topic, latest - peer.late, before)
        if (greeting === undefined) continue
        peer.subscribed.set(topic, before + 1)
        peer.send(greeting)
      }
    }

    const publish = (peer: Peer, n: number) => {
      for (const channel of Truth.channels) {
        const topic = wire.topics[channel]
        const before = peer.subscribed.get(topic)
        if (before === undefined) continue
        peer.subscribed.set(topic, before + 1)
        const fact = Truth.factOf(channel, n)
        if (peer.losing > 0) peer.losing--
        else if (fact.channel === "updates" && peer.garbling > 0) {
          peer.garbling--
          peer.send(wire.message({ ...fact, bids: [...fact.bids, ["98.05", "6"]] }, Truth.timeOf(n), before))
        } else peer.send(wire.message(fact, Truth.timeOf(n), before))
      }
    }

    const accept = Effect.fnUntraced(function*() {
      const openedAt = yield* Clock.currentTimeMillis
      const inbox = yield* Mailbox.make<string, Transport.SocketError>()
      const peer: Peer = {
        subscribed: new Map(),
        isGone: false,
        isMute: false,
        losing: 0,
        garbling: 0,
        late: 0,
        send: (message) => {
          if (!peer.isMute && !peer.isGone) inbox.unsafeOffer(message)
        },
        end: (code, errno) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            peers.delete(peer)
            const openFor = Duration.millis(now - openedAt)
            return inbox.fail(new ConnectionError.ConnectionClosed({ code, reason: "", errno, openFor }))
          })
      }
      peers.add(peer)
      const socket: Transport.Socket = {
        protocol: "",
        headers: {},
        progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
        receive: (handler) =>
          Effect.forever(Effect.flatMap(inbox.takeAll, ([messages]) => {
            const batch = Chunk.toReadonlyArray(messages)
            return (isNonEmptyReadonlyArray(batch) ? handler(batch) : undefined) ?? Effect.void
          })),
        send: (message) =>
          Effect.suspend(() => {
            if (!peers.has(peer)) return new ConnectionError.SendFailed({ reason: "the socket has ended" })
            if (!peer.isGone) answerRequest(peer, String(message))
            return Effect.void
          }),
        ping: Effect.suspend(() => peer.isGone ? Effect.never : Effect.void),
        close: (code = 1000) => peer.end(code),
        terminate: peer.end(1006)
      }
      yield* Effect.addFinalizer(() => socket.close())
      return { peer, socket }
    })

    const transport: Transport.Transport = {
      capabilities: { ping: true, pause: false, terminate: true, handshake: true, headers: true },
      dial: () =>
        Effect.gen(function*() {
          dials++
          if ((yield* Clock.currentTimeMillis) < downUntil) {
            return yield* new ConnectionError.DialFailed({ code: "ECONNREFUSED", reason: "the venue is down" })
          }
          const { peer, socket } = yield* accept()
          if (closing > 0) {
            closing--
            yield* peer.end(1006)
          }
          return socket
        })
    }

    yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
      yield* Effect.sleep(Truth.timeOf(latest + 1) - (yield* Clock.currentTimeMillis))
      latest++
      for (const peer of peers) {
        if (latest >= peer.late) publish(peer, latest - peer.late)
      }
    })))

    // -----------------------------------------------------------------------------------------------------------------
    // REST

    const respond = (request: HttpClientRequest.HttpClientRequest, { body, status }: Answer) => {
      const response = HttpClientResponse.fromWeb(request, new Response(null, { status }))
      // A promise would let real time in.
      const text = JSON.stringify(body)
      Object.defineProperty(response, "text", { value: Effect.succeed(text) })
      Object.defineProperty(response, "stream", { value: Stream.make(new TextEncoder().encode(text)) })
      return response
    }

    const http = HttpClient.make((request, url) =>
      Effect.gen(function*() {
        requests++
        const history = { latest: latest - restLag, oldest }
        const failure = restFailure
        yield* Effect.sleep(restTakes)
        if (failure === "reset") {
          return yield* new HttpClientError.RequestError({ request, reason: "Transport", description: "ECONNRESET" })
        }
        if (failure === "rejects") return respond(request, wire.rejection)
        return respond(request, failure === undefined ? wire.rest(url, history) : { status: failure, body: {} })
      })
    )

    // -----------------------------------------------------------------------------------------------------------------

    const chosen = (which: Which = "all") => {
      const all = [...peers]
      return which === "all" ? all : which === "oldest" ? all.slice(0, 1) : all.slice(-1)
    }
    const inject = (which: Which | undefined, fault: (peer: Peer) => void) => Effect.sync(() => chosen(which).forEach(fault))

    const server: Server = {
      latest: () => latest,
      dials: () => dials,
      openSockets: () => peers.size,
      requests: () => requests,
      reset: (which) =>
        Effect.suspend(() => Effect.forEach(chosen(which), (peer) => peer.end(1006, "ECONNRESET"), { discard: true })),
      outage: (lasts) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          downUntil = now + Duration.toMillis(lasts)
          return server.reset()
        }),
      mute: (which) =>
        inject(which, (peer) => {
          peer.isMute = true
        }),
      vanish: (which) =>
        inject(which, (peer) => {
          peer.isGone = true
        }),
      lose: (messages, which) =>
        inject(which, (peer) => {
          peer.losing = messages
        }),
      garble: (updates, which) =>
        inject(which, (peer) => {
          peer.garbling = updates
        }),
      delay: (ticks, which) =>
        inject(which, (peer) => {
          peer.late = ticks
        }),
      send: (message) => inject("all", (peer) => peer.send(message)),
      acceptThenClose: (times) =>
        Effect.sync(() => {
          closing = times
        }),
      refuse: (topic) => Effect.sync(() => refused.add(topic)),
      restLags: (ticks) =>
        Effect.sync(() => {
          restLag = ticks
        }),
      restFails: (how) =>
        Effect.sync(() => {
          restFailure = how
        }),
      restTakes: (duration) =>
        Effect.sync(() => {
          restTakes = Duration.decode(duration)
        }),
      forgetBefore: (number) =>
        Effect.sync(() => {
          oldest = number
        })
    }
    return Context.make(Server, server).pipe(
      Context.add(Transport.Transport, transport),
      Context.add(HttpClient.HttpClient, http)
    )
  }))
