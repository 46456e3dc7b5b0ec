/**
 * The venue's side of sockets and of the REST interface, in memory and on the clock of the test. It tells what happened
 * ({@link Truth}) to whoever subscribed, in the venue's own words ({@link Wire}), and breaks on command.
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
import { ConnectionError, Transport } from "holdfast"
import * as Truth from "./Truth.ts"

/** A request of a client, and the answers it may get. */
export interface Request {
  readonly subscribe: ReadonlyArray<string>
  readonly unsubscribe: ReadonlyArray<string>
  readonly accepted: string
  readonly refused: string
}

/** How much of the market the REST interface has: the numbers from `oldest` to `latest`. */
export interface History {
  readonly oldest: number
  readonly latest: number
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** How a venue says all this. */
export interface Wire {
  /** The topic of each channel. */
  readonly topics: Readonly<Record<Truth.Channel, string>>
  /** Reads a message of a client. */
  readonly request: (message: string) => Request
  /** The venue will close the connection soon. */
  readonly farewell: string
  /** Frames that are not what they promise: nothing in them can be read. */
  readonly invalid: ReadonlyArray<string>
  /** A frame that tells of something, given when it is said and how many frames of its topic the socket had before. */
  readonly frame: (said: Truth.Said, at: number, before: number) => string
  /** What the REST interface answers. */
  readonly rest: (url: URL, history: History) => Answer
}

interface Peer {
  /** How many frames there were of each topic. */
  readonly subscribed: Map<string, number>
  readonly say: (frame: string) => void
  readonly end: (code: number, errno?: string) => Effect.Effect<void>
  /** Answers nothing from here on: no ping, and no close frame. */
  isGone: boolean
  /** Says nothing from here on. */
  isMute: boolean
  /** Frames that are lost from here on. */
  losing: number
  /** How much later frames come, in ticks. */
  late: number
}

/** Which of the open sockets something happens to. */
export type Which = "all" | "oldest" | "newest"

export interface Server {
  /** The latest number that was said. */
  readonly latest: () => number
  readonly dials: () => number
  readonly openSockets: () => number
  /** Requests that the REST interface has answered, or refused. */
  readonly requests: () => number

  /** Resets the TCP connection. */
  readonly reset: (which?: Which) => Effect.Effect<void>
  /** Resets all, and refuses dials for so long. */
  readonly outage: (lasts: Duration.DurationInput) => Effect.Effect<void>
  /** Says nothing more, and still answers pings. */
  readonly mute: (which?: Which) => Effect.Effect<void>
  /** As when a cable is pulled. */
  readonly vanish: (which?: Which) => Effect.Effect<void>
  /** Loses the next frames. */
  readonly lose: (frames: number, which?: Which) => Effect.Effect<void>
  /** Says everything so many ticks later from here on. */
  readonly delay: (ticks: number, which?: Which) => Effect.Effect<void>
  readonly say: (frame: string) => Effect.Effect<void>
  /** Closes the next sockets as soon as they are open. */
  readonly acceptThenClose: (times: number) => Effect.Effect<void>
  /** Refuses subscriptions to a topic. */
  readonly refuse: (topic: string) => Effect.Effect<void>

  /** The REST interface has everything so many ticks later. */
  readonly restLags: (ticks: number) => Effect.Effect<void>
  /** The REST interface answers with this status, or normally again. */
  readonly restFails: (status: number | "reset" | undefined) => Effect.Effect<void>
  /** The REST interface takes so long. */
  readonly restTakes: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** The REST interface has nothing any more that came before this number. */
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
    let restFailure: number | "reset" | undefined
    let oldest = 0

    // -----------------------------------------------------------------------------------------------------------------
    // Sockets

    const hear = (peer: Peer, message: string) => {
      const { accepted, refused: answer, subscribe, unsubscribe } = wire.request(message)
      if (subscribe.some((topic) => refused.has(topic))) return peer.say(answer)
      for (const topic of subscribe) peer.subscribed.set(topic, peer.subscribed.get(topic) ?? 0)
      for (const topic of unsubscribe) peer.subscribed.delete(topic)
      peer.say(accepted)
    }

    const tell = (peer: Peer, n: number) => {
      for (const channel of Truth.channels) {
        const topic = wire.topics[channel]
        const before = peer.subscribed.get(topic)
        if (before === undefined) continue
        peer.subscribed.set(topic, before + 1)
        if (peer.losing > 0) peer.losing--
        else peer.say(wire.frame(Truth.said(channel, n), Truth.timeOf(n), before))
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
        late: 0,
        say: (frame) => {
          if (!peer.isMute && !peer.isGone) inbox.unsafeOffer(frame)
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
        receive: (handler) =>
          Effect.forever(Effect.flatMap(inbox.takeAll, ([messages]) => {
            const batch = Chunk.toReadonlyArray(messages)
            return (isNonEmptyReadonlyArray(batch) ? handler(batch) : undefined) ?? Effect.void
          })),
        send: (message) =>
          Effect.suspend(() => {
            if (!peers.has(peer)) return new ConnectionError.SendFailed({ reason: "the socket has ended" })
            if (!peer.isGone) hear(peer, String(message))
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
        if (latest >= peer.late) tell(peer, latest - peer.late)
      }
    })))

    // -----------------------------------------------------------------------------------------------------------------
    // REST

    const respond = (request: HttpClientRequest.HttpClientRequest, { body, status }: Answer) => {
      const response = HttpClientResponse.fromWeb(request, new Response(null, { status }))
      // A promise would let real time in.
      Object.defineProperty(response, "text", { value: Effect.succeed(JSON.stringify(body)) })
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
        return respond(request, failure === undefined ? wire.rest(url, history) : { status: failure, body: {} })
      })
    )

    // -----------------------------------------------------------------------------------------------------------------

    const chosen = (which: Which = "all") => {
      const all = [...peers]
      return which === "all" ? all : which === "oldest" ? all.slice(0, 1) : all.slice(-1)
    }
    const strike = (which: Which | undefined, fault: (peer: Peer) => void) => Effect.sync(() => chosen(which).forEach(fault))

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
        strike(which, (peer) => {
          peer.isMute = true
        }),
      vanish: (which) =>
        strike(which, (peer) => {
          peer.isGone = true
        }),
      lose: (frames, which) =>
        strike(which, (peer) => {
          peer.losing = frames
        }),
      delay: (ticks, which) =>
        strike(which, (peer) => {
          peer.late = ticks
        }),
      say: (frame) => strike("all", (peer) => peer.say(frame)),
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
