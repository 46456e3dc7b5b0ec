/**
 * A transport in memory that plays a script, for deterministic tests on `TestClock`: "refuse with 429, then open, send
 * these, go silent, close with 1006".
 *
 * A script is one entry a dial. When it is played out, further dials are refused with `ECONNREFUSED`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ConnectionClosed, DialFailed, HandshakeRejected, MessageTooLarge, SendFailed } from "../ConnectionError.ts"
import * as ReceiveBuffer from "../internal/transport/receiveBuffer.ts"
import type { Capabilities, DialError, DialRequest, Message, Socket } from "../Transport.ts"
import { Transport } from "../Transport.ts"

/**
 * What a scripted peer does on an open socket. After its last step it stays open and silent, and answers pings.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Data.TaggedEnum<{
  readonly Send: { readonly messages: ReadonlyArray<Message> }
  readonly Wait: { readonly duration: Duration.DurationInput }
  readonly Expect: { readonly matches: (message: Message) => boolean }
  readonly Answer: { readonly answer: (message: Message) => ReadonlyArray<Message> }
  readonly Vanish: object
  readonly End: { readonly code: number; readonly reason: string; readonly errno?: string | undefined }
}>

/**
 * How a dial goes.
 *
 * @since 0.1.0
 * @category models
 */
export type Dial = Data.TaggedEnum<{
  readonly Fail: { readonly error: DialError }
  readonly Hang: object
  readonly Open: { readonly after: Duration.DurationInput; readonly steps: ReadonlyArray<Step> }
}>

const Step = Data.taggedEnum<Step>()
const Dial = Data.taggedEnum<Dial>()

/**
 * The peer sends these, one after the other, as fast as they are read.
 *
 * @since 0.1.0
 * @category steps
 */
export const send = (...messages: ReadonlyArray<Message>): Step => Step.Send({ messages })

/**
 * The peer does nothing for so long.
 *
 * @since 0.1.0
 * @category steps
 */
export const wait = (duration: Duration.DurationInput): Step => Step.Wait({ duration })

/**
 * The peer waits until it has been sent this message, or one for which the predicate holds. Each message answers one
 * expectation.
 *
 * @since 0.1.0
 * @category steps
 */
export const expect = (message: Message | ((message: Message) => boolean)): Step =>
  Step.Expect({ matches: typeof message === "function" ? message : (sent) => sent === message })

/**
 * From here on, the peer answers every message it is sent with what this gives, while the script goes on.
 *
 * @since 0.1.0
 * @category steps
 */
export const answer = (answer: (message: Message) => ReadonlyArray<Message>): Step => Step.Answer({ answer })

/**
 * The peer is gone without a word, as when a cable is pulled: no pong and no close frame is answered from here on.
 * Steps that follow still play, so that a peer can send data and yet answer no ping.
 *
 * @since 0.1.0
 * @category steps
 */
export const vanish: Step = Step.Vanish()

/**
 * The peer closes with a close frame; 1000 by default, and 1006 for a TCP connection that ends without one.
 *
 * @since 0.1.0
 * @category steps
 */
export const close = (code = 1000, reason = ""): Step => Step.End({ code, reason })

/**
 * The TCP connection is reset (`ECONNRESET`, close code 1006).
 *
 * @since 0.1.0
 * @category steps
 */
export const reset: Step = Step.End({ code: 1006, reason: "", errno: "ECONNRESET" })

/**
 * The server refuses the upgrade with an HTTP status.
 *
 * @since 0.1.0
 * @category dials
 */
export const refuse = (
  status: number,
  options?: { readonly retryAfter?: Duration.DurationInput | undefined; readonly body?: string | undefined }
): Dial =>
  Dial.Fail({
    error: new HandshakeRejected({
      status,
      retryAfter: Option.map(Option.fromNullable(options?.retryAfter), Duration.decode),
      body: options?.body ?? ""
    })
  })

/**
 * The dial fails below HTTP, with `ECONNREFUSED` unless told otherwise.
 *
 * @since 0.1.0
 * @category dials
 */
export const fail = (code = "ECONNREFUSED"): Dial => Dial.Fail({ error: new DialFailed({ code, reason: "scripted" }) })

/**
 * The dial neither opens nor fails.
 *
 * @since 0.1.0
 * @category dials
 */
export const hang: Dial = Dial.Hang()

/**
 * The dial opens at once, and the peer plays the steps.
 *
 * @since 0.1.0
 * @category dials
 */
export const open = (...steps: ReadonlyArray<Step>): Dial => Dial.Open({ after: 0, steps })

/**
 * The dial opens after a while, and the peer plays the steps.
 *
 * @since 0.1.0
 * @category dials
 */
export const openAfter = (after: Duration.DurationInput, ...steps: ReadonlyArray<Step>): Dial =>
  Dial.Open({ after, steps })

/**
 * One dial that was made.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRecord {
  /** When, in milliseconds since the epoch. */
  readonly at: number
  readonly request: DialRequest
}

/**
 * What the script's other side has seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestTransport {
  /** The dials so far, oldest first. */
  readonly dials: Effect.Effect<ReadonlyArray<DialRecord>>
  /** What was sent over all sockets so far, oldest first. */
  readonly sent: Effect.Effect<ReadonlyArray<Message>>
  /** How many dials and sockets have not ended. */
  readonly open: Effect.Effect<number>
  /**
   * How this side ended sockets: `closed` politely, `terminated` at once, or `abandoned`, closed politely though the
   * peer had vanished, which on a real socket takes `closeTimeout`.
   */
  readonly endings: Effect.Effect<
    { readonly closed: number; readonly terminated: number; readonly abandoned: number }
  >
}

/**
 * The tag of the script's other side, for a test to look at.
 *
 * @since 0.1.0
 * @category tags
 */
export const TestTransport: Context.Tag<TestTransport, TestTransport> = Context.GenericTag<TestTransport>(
  "holdfast/testing/TestTransport"
)

// The scripted peer feels TCP push back when so much lies unread.
const highWater: ReceiveBuffer.HighWater = { messages: 16, bytes: Number.POSITIVE_INFINITY }

const allCapable: Capabilities = { ping: true, pause: true, terminate: true, handshake: true, headers: true }

const sizeOf = (message: Message) => typeof message === "string" ? Buffer.byteLength(message) : message.byteLength

/**
 * A transport that plays a script, and the view of it that tests assert on.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import * as TestClock from "effect/TestClock"
 * import { Connection } from "holdfast"
 * import { TestTransport } from "holdfast/testing"
 *
 * const test = Effect.gen(function*() {
 *   const connection = yield* Connection.Connection
 *   const reading = yield* Effect.fork(Stream.runCollect(Stream.take(connection.messages, 2)))
 *   yield* TestClock.adjust("30 seconds")
 *   return yield* reading // "before" and "after": the cut between them healed
 * }).pipe(Effect.provide(
 *   Connection.layer({ url: "ws://test" }).pipe(Layer.provideMerge(TestTransport.layer([
 *     TestTransport.refuse(429, { retryAfter: "17 seconds" }),
 *     TestTransport.open(TestTransport.send("before"), TestTransport.close(1006)),
 *     TestTransport.open(TestTransport.send("after"))
 *   ])))
 * ))
 * ```
 */
export const layer = (
  script: Iterable<Dial>,
  options?: { readonly capabilities?: Partial<Capabilities> | undefined }
): Layer.Layer<Transport | TestTransport> =>
  Layer.effectContext(Effect.sync(() => {
    const plan = script[Symbol.iterator]()
    const dials: Array<DialRecord> = []
    const sent: Array<Message> = []
    let live = 0
    let closed = 0
    let terminated = 0
    let abandoned = 0

    const track = Effect.acquireRelease(
      Effect.sync(() => {
        live++
      }),
      () =>
        Effect.sync(() => {
          live--
        })
    )

    const openSocket = Effect.fnUntraced(function*(request: DialRequest, steps: ReadonlyArray<Step>) {
      const openedAt = yield* Clock.currentTimeMillis
      const room = Effect.unsafeMakeLatch(true)
      const buffer = ReceiveBuffer.make({
        pause: () => {
          room.unsafeClose()
        },
        resume: () => {
          room.unsafeOpen()
        }
      }, highWater)
      // Nobody waits for room on a socket that has ended.
      buffer.onEnd(() => {
        room.unsafeOpen()
      })
      const heard: Array<Message> = []
      const listening = Effect.unsafeMakeLatch(false)
      let vanished = false
      let answering: (message: Message) => ReadonlyArray<Message> = () => []

      // Gives true to whoever was the first to end the socket.
      const end = (code: number, reason: string, errno?: string) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (buffer.isEnded()) return false
          buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor: Duration.millis(now - openedAt), errno }))
          return true
        })

      const hear = (matches: (message: Message) => boolean): Effect.Effect<void> =>
        Effect.suspend(() => {
          const found = heard.findIndex(matches)
          if (found >= 0) {
            heard.splice(0, found + 1)
            return Effect.void
          }
          listening.unsafeClose()
          return Effect.zipRight(listening.await, hear(matches))
        })

      const arrive = (message: Message) => {
        const size = sizeOf(message)
        if (size > request.maxMessageBytes) buffer.unsafeEnd(new MessageTooLarge({ limit: request.maxMessageBytes }))
        else buffer.unsafeOffer(message, size)
      }

      const say = (messages: ReadonlyArray<Message>) =>
        Effect.forEach(messages, (message) => Effect.map(room.await, () => arrive(message)), { discard: true })

      const play = Step.$match({
        Wait: ({ duration }): Effect.Effect<unknown> => Effect.sleep(duration),
        Expect: ({ matches }) => hear(matches),
        Answer: ({ answer }) =>
          Effect.sync(() => {
            answering = answer
          }),
        Vanish: () =>
          Effect.sync(() => {
            vanished = true
          }),
        End: ({ code, errno, reason }) => end(code, reason, errno),
        Send: ({ messages }) => say(messages)
      })

      const terminate = Effect.map(end(1006, ""), (first) => {
        if (first) terminated++
      })

      const socket: Socket = {
        protocol: request.protocols[0] ?? "",
        receive: buffer.receive,
        send: (message) =>
          Effect.suspend(() => {
            if (buffer.isEnded()) return new SendFailed({ reason: "the socket has ended" })
            sent.push(message)
            heard.push(message)
            return Effect.zipRight(listening.open, say(vanished ? [] : answering(message)))
          }),
        ping: Effect.suspend(() => vanished ? Effect.never : Effect.void),
        // Nobody answers the close frame of a socket whose peer has vanished: closeTimeout passes in no time here.
        close: (code = 1000, reason = "") =>
          Effect.suspend(() => vanished ? end(1006, "") : end(code, reason)).pipe(
            Effect.map((first) => {
              if (first && vanished) abandoned++
              else if (first) closed++
            })
          ),
        terminate
      }
      yield* Effect.addFinalizer(() => socket.close())
      yield* Effect.forkScoped(Effect.forEach(steps, play, { discard: true }))
      return socket
    })

    const dial = (request: DialRequest): Effect.Effect<Socket, DialError, Scope.Scope> =>
      Effect.gen(function*() {
        dials.push({ at: yield* Clock.currentTimeMillis, request })
        yield* track
        const entry = plan.next()
        const scripted = entry.done === true
          ? Dial.Fail({ error: new DialFailed({ code: "ECONNREFUSED", reason: "the script has been played out" }) })
          : entry.value
        return yield* Dial.$match(scripted, {
          Fail: ({ error }): Effect.Effect<Socket, DialError, Scope.Scope> => Effect.fail(error),
          Hang: () => Effect.never,
          Open: ({ after, steps }) => Effect.zipRight(Effect.sleep(after), openSocket(request, steps))
        })
      })

    return Context.make(Transport, { capabilities: { ...allCapable, ...options?.capabilities }, dial }).pipe(
      Context.add(TestTransport, {
        dials: Effect.sync(() => [...dials]),
        sent: Effect.sync(() => [...sent]),
        open: Effect.sync(() => live),
        endings: Effect.sync(() => ({ closed, terminated, abandoned }))
      })
    )
  }))
