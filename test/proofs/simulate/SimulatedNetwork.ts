/**
 * A simulated network in virtual time: a `Transport` whose peer is a program, and which breaks on command as networks do.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Scope } from "effect/Scope"
import { ConnectionError } from "holdfast"
import type { Transport } from "holdfast"
import * as ReceiveBuffer from "../../../src/internal/transport/receiveBuffer.ts"
import type { DialFault, RefusalFault, SocketFault, Target } from "./Plan.ts"
import type { VirtualTime } from "./VirtualTime.ts"
import type { Report } from "./Violation.ts"

/** The server's end of a socket. */
export interface Peer {
  readonly id: number
  readonly path: string
  readonly openedAt: number
  readonly streams: Set<string>
  /** Muted streams, and until when. */
  readonly muted: Map<string, "resubscribed" | "gone">
  readonly say: (text: string) => void
  /**
   * Closes with a close frame, after all messages sent so far. 1006 ends the connection without a close frame. A socket that
   * lingers keeps TCP open after its close frame.
   */
  readonly close: (code: number, reason?: string, lingers?: boolean) => void
  readonly reset: () => void
  /** Counts a message of the client, of any kind, against the rate limit. */
  readonly countMessage: () => void
  /** Whether the socket is open for the server. */
  readonly isOpen: () => boolean
}

/** The server. */
export interface Host {
  /** The refusal of a dial. Undefined accepts it. */
  readonly refuse: () => { readonly status: number; readonly retryAfter?: string | undefined } | undefined
  readonly onOpen: (peer: Peer) => void
  readonly onMessage: (peer: Peer, text: string) => void
}

export interface Received {
  readonly peer: number
  readonly text: string
}

export interface Network {
  readonly transport: Transport.Transport
  readonly peers: () => ReadonlyArray<Peer>
  readonly inject: (fault: Exclude<SocketFault, { readonly do: "mute" }>) => void
  readonly targets: (on: Target) => ReadonlyArray<Peer>
  readonly dials: (times: number, fault: DialFault) => void
  readonly restart: (downtime: number) => void
  /** Refuses all dials for so long. */
  readonly refuses: (lasts: number, fault: RefusalFault) => void
  /** Every peer gives the client up without a word. Returns whether the client still has one of those sockets. */
  readonly vanishAll: () => () => boolean
  /** Ends all faults. Broken sockets stay broken until the client notices. */
  readonly calm: () => void
  /** Whether the client has a socket without a fault that it could notice by its deadlines. */
  readonly isHealthy: (deadlines: { readonly idle: boolean; readonly pongs: boolean }) => boolean
  /** The times at which dials began. */
  readonly dialled: () => ReadonlyArray<number>
  /** The number of dials whose scopes are open. */
  readonly held: () => number
  /** The number of sockets that have not ended for the client. */
  readonly open: () => number
  /** All messages that were read from sockets, in order. */
  readonly received: () => ReadonlyArray<Received>
  /** All messages that a socket took from the client, in order. */
  readonly taken: () => ReadonlyArray<string>
  /** The number of pongs that have arrived. */
  readonly pongs: () => number
}

type Arrival =
  | { readonly _tag: "Data"; readonly text: string }
  | { readonly _tag: "Pong"; readonly answer: () => void }
  | { readonly _tag: "End"; readonly error: Transport.SocketError }

interface Link {
  readonly peer: Peer
  silent: boolean
  vanished: boolean
  noPongs: boolean
  lag: number
  skip: number
  reorder: number
  late: { count: number; readonly by: number }
  /** How long the next message takes to arrive. */
  trickle: number
  /** Until when the peer takes few bytes. Infinite: it takes none. */
  uploadsUntil: number
  /** Hands over what waits, if the peer takes bytes again. */
  readonly upload: () => void
  readonly latest: Array<string>
}

// The statuses whose Retry-After must be obeyed.
const retryAfterStatuses: ReadonlySet<number> = new Set([418, 429, 503])
const latestKept = 20
// Messages that change places wait no longer for each other, in milliseconds.
const heldAtMost = 1_000
// A slow link moves some bytes this often. It is well within all deadlines.
const partEvery = 250
const partBytes = 500
const dialTakes = 20

export const make = (options: {
  readonly time: VirtualTime
  readonly host: Host
  readonly report: Report
  readonly messagesPerSecond: number
  /** The time that a message takes each way without a fault, in milliseconds. */
  readonly lag: number
  readonly dialLimit: { readonly limit: number; readonly window: number }
  /** Whether no dial may begin before a Retry-After has passed, not even one that the user asks for. */
  readonly obeysRetryAfter: boolean
  /** How long a peer has to take bytes slowly before that shows, in milliseconds. */
  readonly uploadShows: number
}): Network => {
  const { host, report, time } = options
  const links = new Set<Link>()
  const faults: Array<DialFault> = []
  const dialled: Array<number> = []
  const received: Array<Received> = []
  const taken: Array<string> = []
  let pongs = 0
  let refusing: { readonly until: number; readonly fault: RefusalFault } | undefined
  let ids = 0
  let held = 0
  let open = 0
  let downUntil = Number.NEGATIVE_INFINITY
  let notBefore = Number.NEGATIVE_INFINITY
  let limitedAt = Number.NEGATIVE_INFINITY

  const rejected = (status: number, retryAfter: string | undefined) => {
    if (retryAfter !== undefined && retryAfterStatuses.has(status)) {
      limitedAt = time.now()
      notBefore = Math.max(notBefore, time.now() + Number(retryAfter) * 1_000)
    }
    return new ConnectionError.HandshakeRejected({
      status,
      retryAfter: retryAfter === undefined ? Option.none() : Option.some(Duration.seconds(Number(retryAfter))),
      body: ""
    })
  }

  const countDial = () => {
    const now = time.now()
    dialled.push(now)
    const { limit, window } = options.dialLimit
    const before = dialled.at(-1 - limit)
    if (before !== undefined && now - before < window) {
      report({ invariant: "limits", detail: `more than ${limit} dials in ${window} ms` })
    }
    // A dial in the same moment as the Retry-After cannot know of it.
    if (options.obeysRetryAfter && now < notBefore && now > limitedAt) {
      report({ invariant: "limits", detail: `dialled ${notBefore - now} ms before Retry-After had passed` })
    }
  }

  const accept = Effect.fnUntraced(function*(request: Transport.DialRequest) {
    // Messages that have arrived while the client does not read.
    const kernelBuffer: Array<Arrival> = []
    const messageTimes: Array<number> = []
    const openedAt = time.now()
    const id = ++ids
    let paused = false
    let ended = false
    let serverGone = false
    let lingers = false
    let arrivesAt = 0

    const buffer = ReceiveBuffer.make({
      pause: () => {
        paused = true
      },
      resume: () => {
        paused = false
        pump()
      }
    })

    const closed = (code: number, reason = "", errno?: string) =>
      new ConnectionError.ConnectionClosed({ code, reason, openFor: Duration.millis(time.now() - openedAt), errno })

    const end = (error: Transport.SocketError) => {
      if (ended) return
      ended = true
      open--
      kernelBuffer.length = 0
      for (const { fail } of uploading.splice(0)) fail()
      links.delete(link)
      buffer.unsafeEnd(error)
    }

    let bytesReceived = 0
    let controlBytes = 0
    let bytesSent = 0
    const receive = (arrival: Arrival) => {
      if (ended) return
      // A pong with a payload of one byte has three.
      bytesReceived += arrival._tag === "Data" ? arrival.text.length : 3
      if (arrival._tag !== "Data") controlBytes += 3
      if (arrival._tag === "Pong") {
        pongs++
        arrival.answer()
      } else if (arrival._tag === "End") end(arrival.error)
      else if (arrival.text.length > request.maxMessageBytes) {
        end(new ConnectionError.MessageTooLarge({ limit: request.maxMessageBytes }))
      } else buffer.unsafeOffer(arrival.text, arrival.text.length)
    }
    const pump = () => {
      for (let arrival = kernelBuffer.shift(); arrival !== undefined; arrival = kernelBuffer.shift()) {
        receive(arrival)
        if (paused) return
      }
    }
    // What waits behind a message that is still arriving.
    let behind: Array<Arrival> | undefined
    let partAt = Number.NEGATIVE_INFINITY
    const trickle = (arrival: Arrival, until: number) => {
      if (link.vanished || ended) return
      if (time.now() >= until) {
        const arrivals = [arrival, ...behind ?? []]
        behind = undefined
        for (const [i, next] of arrivals.entries()) arrive(next, i > 0)
        return
      }
      // While the client does not read, no part arrives.
      if (!paused) {
        bytesReceived += partBytes
        partAt = time.now()
      }
      time.after(Math.min(partEvery, until - time.now()), () => {
        trickle(arrival, until)
      })
    }
    const arrive = (arrival: Arrival, mayBeSlow = true) => {
      if (link.vanished || ended) return
      if (behind !== undefined) {
        behind.push(arrival)
        return
      }
      if (mayBeSlow && link.trickle > 0 && arrival._tag === "Data") {
        const until = time.now() + link.trickle
        link.trickle = 0
        behind = []
        trickle(arrival, until)
        return
      }
      if (paused || kernelBuffer.length > 0) {
        kernelBuffer.push(arrival)
        return
      }
      // Some transports do not mark the messages of one read. Every third socket is like them.
      if (id % 3 === 0) {
        receive(arrival)
        return
      }
      buffer.unsafeBeginRead(32)
      receive(arrival)
      buffer.unsafeEndRead()
    }
    // Arrivals keep the order of sending, even when the lag changes.
    const send = (arrival: Arrival) => {
      arrivesAt = Math.max(arrivesAt, time.now() + link.lag)
      if (arrivesAt <= time.now()) arrive(arrival)
      else {
        time.after(arrivesAt - time.now(), () => {
          arrive(arrival)
        })
      }
    }

    // Messages that change places.
    const held: Array<string> = []
    const letGo = () => {
      link.reorder = 0
      for (const text of held.splice(0)) if (!serverGone) send({ _tag: "Data", text })
    }
    const say = (text: string) => {
      if (serverGone || link.silent || link.vanished) return
      if (link.skip > 0) {
        link.skip--
        return
      }
      link.latest.push(text)
      if (link.latest.length > latestKept) link.latest.shift()
      if (link.late.count > 0) {
        link.late.count--
        time.after(link.late.by, () => {
          if (!serverGone) send({ _tag: "Data", text })
        })
        return
      }
      if (link.reorder > 0) {
        link.reorder--
        held.unshift(text)
        if (link.reorder === 0) letGo()
        else if (held.length === 1) time.after(heldAtMost, letGo)
        return
      }
      send({ _tag: "Data", text })
    }

    const peer: Peer = {
      id,
      path: new URL(Redacted.value(request.url)).pathname,
      openedAt,
      streams: new Set(),
      muted: new Map(),
      say,
      close: (code, reason, lingering = false) => {
        if (serverGone) return
        serverGone = true
        lingers = lingering
        send({ _tag: "End", error: closed(code, reason) })
      },
      reset: () => {
        if (serverGone) return
        serverGone = true
        if (!link.vanished) end(closed(1006, "", "ECONNRESET"))
      },
      countMessage: () => {
        messageTimes.push(time.now())
        const before = messageTimes.at(-1 - options.messagesPerSecond)
        if (before !== undefined && time.now() - before < 1_000) {
          report({ invariant: "limits", detail: `more than ${options.messagesPerSecond} messages in a second` })
        }
      },
      isOpen: () => !serverGone && !ended
    }
    const link: Link = {
      peer,
      silent: false,
      vanished: false,
      noPongs: false,
      lag: options.lag,
      skip: 0,
      reorder: 0,
      late: { count: 0, by: 0 },
      trickle: 0,
      uploadsUntil: Number.NEGATIVE_INFINITY,
      upload: () => {
        if (time.now() < link.uploadsUntil || link.vanished) return
        for (const { hand } of uploading.splice(0)) hand()
      },
      latest: []
    }
    links.add(link)
    open++

    // What the peer does not take yet.
    const uploading: Array<{ readonly hand: () => void; readonly fail: () => void }> = []
    let uploadsSince = Number.POSITIVE_INFINITY
    let uploadedAt = Number.NEGATIVE_INFINITY
    const uploadParts = () => {
      if (uploading.length === 0 || ended || link.vanished) return
      // A message that has just been sent moves bytes even if the peer is dead: the kernel takes the first of them.
      if (Number.isFinite(link.uploadsUntil)) {
        bytesSent += partBytes
        if (time.now() - uploadsSince > options.uploadShows) uploadedAt = time.now()
      }
      time.after(partEvery, () => {
        link.upload()
        uploadParts()
      })
    }
    // Messages of the client arrive after the lag, if the server is still there.
    const toServer = (bytes: number, act: () => void, onHanded: () => void = () => undefined, onFailed: () => void = () => undefined) => {
      let hasWaited = false
      const later = () => {
        if (serverGone || link.vanished || ended) return
        // What has waited arrives at once. The client cannot know of that.
        if (!hasWaited) peer.countMessage()
        act()
      }
      const hand = () => {
        onHanded()
        if (link.lag === 0) later()
        else time.after(link.lag, later)
      }
      // A ping is small: it waits only behind a message, or where the peer takes nothing.
      const isTaken = time.now() >= link.uploadsUntil || (bytes === 0 && Number.isFinite(link.uploadsUntil))
      if (isTaken && uploading.length === 0) {
        hand()
        return
      }
      hasWaited = true
      uploading.push({ hand, fail: onFailed })
      if (uploading.length > 1) return
      uploadsSince = time.now()
      uploadParts()
    }

    const pass = (millis: number) =>
      Effect.async<void>((resume) => {
        time.after(millis, () => resume(Effect.void))
      })
    // The peer does not finish TCP, so the client drops the socket after `closeTimeout`.
    const lingering = Effect.suspend(() => {
      lingers = false
      return pass(Duration.toMillis(request.closeTimeout))
    })
    const note = (batch: ReadonlyArray<Transport.Message>) => {
      for (const text of batch) received.push({ peer: id, text: String(text) })
    }
    const socket: Transport.Socket = {
      protocol: "",
      headers: {},
      progress: () => ({ received: bytesReceived, control: controlBytes, sent: bytesSent, unsent: uploading.length * partBytes }),
      receive: (handler) =>
        buffer.receive((batch) => {
          // Some transports cannot call the handler as the batch arrives. Every fourth socket is like them.
          const work = id % 4 === 0 ? Effect.suspend(() => handler(batch) ?? Effect.void) : handler(batch)
          if (work === undefined) return note(batch)
          return Effect.zipRight(Effect.sync(() => note(batch)), work)
        }),
      send: (message) =>
        Effect.suspend(() => {
          if (ended) return new ConnectionError.SendFailed({ reason: "the socket has ended" })
          taken.push(String(message))
          return Effect.async<void, ConnectionError.SendFailed>((resume) => {
            toServer(
              String(message).length,
              () => {
                host.onMessage(peer, String(message))
              },
              () => {
                bytesSent += String(message).length
                resume(Effect.void)
              },
              () => resume(new ConnectionError.SendFailed({ reason: "the socket ended first" }))
            )
          })
        }),
      ping: Effect.raceFirst(
        Effect.async<void>((resume) => {
          toServer(0, () => {
            if (!link.noPongs) send({ _tag: "Pong", answer: () => resume(Effect.void) })
          })
        }),
        Effect.async<never, Transport.SocketError>((resume) => Effect.sync(buffer.onEnd(resume)))
      ),
      close: (code = 1000, reason = "") =>
        Effect.suspend(() => {
          if (ended) return lingers ? lingering : Effect.void
          const takes = link.vanished ? Duration.toMillis(request.closeTimeout) : 2 * link.lag
          serverGone = true
          const close = Effect.sync(() => {
            end(closed(link.vanished ? 1006 : code, reason))
          })
          return takes === 0 ? close : Effect.zipRight(pass(takes), close)
        }),
      terminate: Effect.sync(() => {
        const movedAt = Math.max(partAt, uploadedAt)
        if (!ended && time.now() - movedAt <= partEvery) {
          report({ invariant: "patience", detail: "a socket was dropped while its bytes moved" })
        }
        serverGone = true
        end(closed(1006))
      })
    }
    yield* Effect.addFinalizer(() => socket.close())
    host.onOpen(peer)
    return { socket, peer }
  })

  const dial = (request: Transport.DialRequest): Effect.Effect<Transport.Socket, Transport.DialError, Scope> =>
    Effect.gen(function*() {
      countDial()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          held++
        }),
        () =>
          Effect.sync(() => {
            held--
          })
      )
      const lasting = refusing !== undefined && time.now() < refusing.until ? refusing.fault : undefined
      const fault = lasting ?? faults.shift()
      yield* Effect.sleep(dialTakes)
      switch (fault?.how) {
        case "hang":
          return yield* Effect.never
        case "errno":
          return yield* new ConnectionError.DialFailed({ code: fault.code, reason: "simulated" })
        case "status":
          return yield* rejected(fault.status, fault.retryAfter === undefined ? undefined : String(fault.retryAfter))
        case "slow":
          yield* Effect.sleep(fault.by)
      }
      if (time.now() < downUntil) {
        return yield* new ConnectionError.DialFailed({ code: "ECONNREFUSED", reason: "the port is closed" })
      }
      const refusal = host.refuse()
      if (refusal !== undefined) return yield* rejected(refusal.status, refusal.retryAfter)
      const { peer, socket } = yield* accept(request)
      if (fault?.how === "acceptThenClose") {
        time.after(5, () => {
          peer.close(1006)
        })
      }
      return socket
    })

  const linksOf = (on: Target): ReadonlyArray<Link> => {
    const all = [...links]
    if (on === "all") return all
    return all.slice(on === "oldest" ? 0 : -1).slice(0, 1)
  }

  return {
    transport: {
      capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
      dial
    },
    peers: () => [...links].map(({ peer }) => peer).filter((peer) => peer.isOpen()),
    targets: (on) => linksOf(on).map(({ peer }) => peer),
    inject: (fault) => {
      for (const link of linksOf(fault.on)) {
        switch (fault.do) {
          case "close":
            link.peer.close(fault.code)
            break
          case "closeFrame":
            link.peer.close(fault.code, "", fault.code !== 1006)
            break
          case "trickle":
            link.trickle = fault.lasts
            break
          case "upload":
            link.uploadsUntil = time.now() + fault.lasts
            break
          case "stuck":
            link.uploadsUntil = Number.POSITIVE_INFINITY
            break
          case "reset":
            link.peer.reset()
            break
          case "drop":
            link.peer.close(1006)
            break
          case "silence":
            link.silent = true
            break
          case "vanish":
            link.vanished = true
            break
          case "noPongs":
            link.noPongs = true
            break
          case "malformed":
            link.peer.say(`{"stream":"btcusdt@trade","data":{"e":"trade","E":`)
            break
          case "oversize":
            link.peer.say("x".repeat(70_000))
            break
          case "repeat":
            for (const text of link.latest.slice(-fault.count)) link.peer.say(text)
            break
          case "reorder":
            link.reorder = fault.count
            break
          case "late":
            link.late = { count: fault.count, by: fault.by }
            break
          case "skip":
            link.skip = fault.count
            break
          case "lag":
            link.lag = fault.by
        }
      }
    },
    dials: (times, fault) => {
      for (let i = 0; i < times; i++) faults.push(fault)
    },
    restart: (downtime) => {
      downUntil = Math.max(downUntil, time.now() + downtime)
      for (const { peer } of [...links]) peer.reset()
    },
    refuses: (lasts, fault) => {
      refusing = { until: time.now() + lasts, fault }
    },
    vanishAll: () => {
      const gone = [...links].filter(({ peer }) => peer.isOpen())
      for (const link of gone) link.vanished = true
      return () => gone.some((link) => links.has(link))
    },
    calm: () => {
      faults.length = 0
      refusing = undefined
      downUntil = Number.NEGATIVE_INFINITY
      for (const link of links) {
        link.lag = options.lag
        link.skip = 0
        link.late = { count: 0, by: 0 }
        link.trickle = 0
        link.uploadsUntil = Number.NEGATIVE_INFINITY
        link.upload()
      }
    },
    isHealthy: ({ idle, pongs }) =>
      [...links].some((link) =>
        (link.peer.isOpen() || link.vanished) && !(link.vanished && (idle || pongs)) && !(link.silent && (idle || (link.noPongs && pongs)))
      ),
    dialled: () => dialled,
    held: () => held,
    open: () => open,
    received: () => received,
    taken: () => taken,
    pongs: () => pongs
  }
}
