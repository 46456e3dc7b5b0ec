/**
 * A transport in memory that plays a script, for deterministic tests on `TestClock`. For example: refuse with 429, then
 * open, send two messages, wait, and close with 1006.
 *
 * A script has one entry per dial. After the last entry, dials fail with `ECONNREFUSED`.
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
import { monotonic } from "../internal/time/monotonic.ts"
import * as ReceiveBuffer from "../internal/transport/receiveBuffer.ts"
import type { Capabilities, DialError, DialRequest, Message, Network, Socket } from "../Transport.ts"
import { Transport } from "../Transport.ts"

/**
 * A step of a scripted peer on an open socket. After its last step, the peer sends nothing of its own accord, but still answers
 * pings, and messages if {@link answer} was one of its steps.
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
 * The outcome of a scripted dial.
 *
 * @since 0.1.0
 * @category models
 */
export type Dial = Data.TaggedEnum<{
  readonly Fail: { readonly error: DialError }
  readonly Hang: object
  readonly Open: {
    readonly after: Duration.DurationInput
    readonly headers: Readonly<Record<string, string>>
    readonly steps: ReadonlyArray<Step>
  }
}>

const Step = Data.taggedEnum<Step>()
const Dial = Data.taggedEnum<Dial>()

/**
 * The peer sends these messages in order, as fast as the client reads them.
 *
 * @since 0.1.0
 * @category steps
 */
export const send = (...messages: ReadonlyArray<Message>): Step => Step.Send({ messages })

/**
 * The peer waits for this time. A plain number is in milliseconds.
 *
 * @since 0.1.0
 * @category steps
 */
export const wait = (duration: Duration.DurationInput): Step => Step.Wait({ duration })

/**
 * The peer waits for this message, or for one that fulfils the predicate. Each message fulfils one expectation, and the
 * messages before it are discarded.
 *
 * @since 0.1.0
 * @category steps
 */
export const expect = (message: Message | ((message: Message) => boolean)): Step =>
  Step.Expect({ matches: typeof message === "function" ? message : (sent) => sent === message })

/**
 * From this step on, the peer answers every message with the messages that `answer` returns. The script goes on meanwhile.
 *
 * @since 0.1.0
 * @category steps
 */
export const answer = (answer: (message: Message) => ReadonlyArray<Message>): Step => Step.Answer({ answer })

/**
 * The peer vanishes, as when a cable is pulled: from this step on it answers no ping, no message and no close frame.
 * Later steps still play, so that a peer can send data and yet answer no ping.
 *
 * @since 0.1.0
 * @category steps
 */
export const vanish: Step = Step.Vanish()

/**
 * The peer closes with a close frame. The code is 1000 by default; 1006 ends the TCP connection without a close frame.
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
 * The server refuses the upgrade with an HTTP status. By default, without `Retry-After` and with an empty body. A plain number
 * for `retryAfter` is in milliseconds.
 *
 * @since 0.1.0
 * @category dials
 */
export const refuse = (
  status: number,
  options?: {
    readonly retryAfter?: Duration.DurationInput | undefined
    readonly body?: string | undefined
    /** The headers of the answer, with names in lower case. */
    readonly headers?: Readonly<Record<string, string>> | undefined
  }
): Dial =>
  Dial.Fail({
    error: new HandshakeRejected({
      status,
      retryAfter: Option.map(Option.fromNullable(options?.retryAfter), Duration.decode),
      body: options?.body ?? "",
      headers: options?.headers
    })
  })

/**
 * The dial fails without an HTTP status, with a `DialFailed`. The error code is `ECONNREFUSED` by default.
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
 * The dial opens at once, then the peer plays the steps.
 *
 * @since 0.1.0
 * @category dials
 */
export const open = (...steps: ReadonlyArray<Step>): Dial => Dial.Open({ after: 0, headers: {}, steps })

/**
 * The dial opens after this time, then the peer plays the steps. A plain number is in milliseconds.
 *
 * @since 0.1.0
 * @category dials
 */
export const openAfter = (after: Duration.DurationInput, ...steps: ReadonlyArray<Step>): Dial =>
  Dial.Open({ after, headers: {}, steps })

/**
 * The dial opens at once with these headers in the server's answer, their names in lower case. Then the peer plays the steps.
 *
 * @since 0.1.0
 * @category dials
 */
export const openWith = (
  { headers }: { readonly headers: Readonly<Record<string, string>> },
  ...steps: ReadonlyArray<Step>
): Dial => Dial.Open({ after: 0, headers, steps })

/**
 * A dial that the client made.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRecord {
  /** The time of the dial, as Unix time in milliseconds. */
  readonly at: number
  readonly request: DialRequest
}

/**
 * The record of a script: the dials, messages and sockets that it has seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestTransport {
  /** The dials so far, oldest first. */
  readonly dials: Effect.Effect<ReadonlyArray<DialRecord>>
  /** The messages that the client sent over all sockets so far, oldest first. */
  readonly sent: Effect.Effect<ReadonlyArray<Message>>
  /** The number of dials and sockets whose scope is still open. */
  readonly open: Effect.Effect<number>
  /**
   * The number of sockets that the client ended: `closed` with a closing handshake, `terminated` at once, or `abandoned`.
   * An abandoned socket was closed although the peer had vanished, which on a real socket takes `closeTimeout`.
   */
  readonly endings: Effect.Effect<
    { readonly closed: number; readonly terminated: number; readonly abandoned: number }
  >
}

/**
 * The tag of the record.
 *
 * @since 0.1.0
 * @category tags
 */
export const TestTransport: Context.Tag<TestTransport, TestTransport> = Context.GenericTag<TestTransport>(
  "holdfast/testing/TestTransport"
)

// While the client has this much unread, the scripted peer waits, as TCP would make it.
const highWater: ReceiveBuffer.HighWater = { messages: 16, bytes: Number.POSITIVE_INFINITY }

const allCapable: Capabilities = { ping: true, pause: true, terminate: true, handshake: true, headers: true }

const sizeOf = (message: Message) => typeof message === "string" ? Buffer.byteLength(message) : message.byteLength

/**
 * A transport that plays a script, and the record of it for a test's assertions. By default it has all capabilities, and knows of
 * no network.
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
 *   return yield* reading // "before" and "after": the connection healed between them
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
  options?: { readonly capabilities?: Partial<Capabilities> | undefined; readonly network?: Network | undefined }
): Layer.Layer<Transport | TestTransport> =>
  Layer.effectContext(Effect.sync(() => {
    const entries = script[Symbol.iterator]()
    const dials: Array<DialRecord> = []
    const sent: Array<Message> = []
    let openCount = 0
    let closed = 0
    let terminated = 0
    let abandoned = 0

    const track = Effect.acquireRelease(
      Effect.sync(() => {
        openCount++
      }),
      () =>
        Effect.sync(() => {
          openCount--
        })
    )

    const openSocket = Effect.fnUntraced(function*(request: DialRequest, headers: Socket["headers"], steps: ReadonlyArray<Step>) {
      const openedAt = yield* monotonic
      const room = Effect.unsafeMakeLatch(true)
      const buffer = ReceiveBuffer.make({
        pause: () => {
          room.unsafeClose()
        },
        resume: () => {
          room.unsafeOpen()
        }
      }, highWater)
      // On a socket that has ended, the peer does not wait for room.
      buffer.onEnd(() => {
        room.unsafeOpen()
      })
      // The messages from the client that no expectation has matched yet.
      const unmatched: Array<Message> = []
      const arrived = Effect.unsafeMakeLatch(false)
      let vanished = false
      let received = 0
      let given = 0
      let answering: (message: Message) => ReadonlyArray<Message> = () => []

      // Returns true for the first end of the socket.
      const end = (code: number, reason: string, errno?: string) =>
        Effect.map(monotonic, (now) => {
          if (buffer.isEnded()) return false
          buffer.unsafeEnd(new ConnectionClosed({ code, reason, openFor: Duration.millis(now - openedAt), errno }))
          return true
        })

      const awaitMessage = (matches: (message: Message) => boolean): Effect.Effect<void> =>
        Effect.suspend(() => {
          const found = unmatched.findIndex(matches)
          if (found >= 0) {
            unmatched.splice(0, found + 1)
            return Effect.void
          }
          arrived.unsafeClose()
          return Effect.zipRight(arrived.await, awaitMessage(matches))
        })

      const sendNow = (message: Message) => {
        const size = sizeOf(message)
        received += size
        if (size > request.maxMessageBytes) buffer.unsafeEnd(new MessageTooLarge({ limit: request.maxMessageBytes }))
        else buffer.unsafeOffer(message, size)
      }

      const sendAll = (messages: ReadonlyArray<Message>) =>
        Effect.forEach(messages, (message) => Effect.map(room.await, () => sendNow(message)), { discard: true })

      const play = Step.$match({
        Wait: ({ duration }): Effect.Effect<unknown> => Effect.sleep(duration),
        Expect: ({ matches }) => awaitMessage(matches),
        Answer: ({ answer }) =>
          Effect.sync(() => {
            answering = answer
          }),
        Vanish: () =>
          Effect.sync(() => {
            vanished = true
          }),
        End: ({ code, errno, reason }) => end(code, reason, errno),
        Send: ({ messages }) => sendAll(messages)
      })

      const terminate = Effect.map(end(1006, ""), (first) => {
        if (first) terminated++
      })

      const socket: Socket = {
        protocol: request.protocols[0] ?? "",
        headers,
        progress: () => ({ received, control: 0, sent: given, unsent: 0 }),
        receive: buffer.receive,
        send: (message) =>
          Effect.suspend(() => {
            if (buffer.isEnded()) return new SendFailed({ reason: "the socket has ended" })
            sent.push(message)
            given += sizeOf(message)
            unmatched.push(message)
            return Effect.zipRight(arrived.open, sendAll(vanished ? [] : answering(message)))
          }),
        ping: Effect.suspend(() => vanished ? Effect.never : Effect.void),
        // A vanished peer does not answer the close frame. The script skips the closeTimeout.
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
        const entry = entries.next()
        const scripted = entry.done === true
          ? Dial.Fail({ error: new DialFailed({ code: "ECONNREFUSED", reason: "the script has no more entries" }) })
          : entry.value
        return yield* Dial.$match(scripted, {
          Fail: ({ error }): Effect.Effect<Socket, DialError, Scope.Scope> => Effect.fail(error),
          Hang: () => Effect.never,
          Open: ({ after, headers, steps }) => Effect.zipRight(Effect.sleep(after), openSocket(request, headers, steps))
        })
      })

    return Context.make(Transport, { capabilities: { ...allCapable, ...options?.capabilities }, network: options?.network, dial }).pipe(
      Context.add(TestTransport, {
        dials: Effect.sync(() => [...dials]),
        sent: Effect.sync(() => [...sent]),
        open: Effect.sync(() => openCount),
        endings: Effect.sync(() => ({ closed, terminated, abandoned }))
      })
    )
  }))
