/**
 * A drop-in for the npm package reconnecting-websocket 4: the interface of a WHATWG `WebSocket`, over a healed connection.
 *
 * It keeps that package's options, defaults and events. What differs is in the guide for moving, docs/migrating.md.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Connection from "../Connection.ts"
import type { AttemptError, ConnectionError } from "../ConnectionError.ts"
import { NotConnected, SendFailed } from "../ConnectionError.ts"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import type { FailureClass } from "../FailureClass.ts"
import { check as checkClose } from "../internal/connection/farewell.ts"
import { monotonic } from "../internal/time/monotonic.ts"
import { dialWith } from "../internal/transport/webSocket.ts"
import * as Check from "../promise/InvalidArgument.ts"
import { call } from "../promise/listeners.ts"
import { withLog } from "../promise/options.ts"
import { asError, called, makeNow, now, toPromise } from "../promise/run.ts"
import { Transport } from "../Transport.ts"
import type { Data } from "./data.ts"
import { bytesOf, isMessage, messageOf, sizeOf } from "./data.ts"

type Socket = globalThis.WebSocket

/**
 * The URL to dial: a text, or a function that gives one, at once or later. It is called before every dial.
 *
 * @since 0.1.0
 * @category models
 */
export type UrlProvider = string | (() => string) | (() => Promise<string>)

/**
 * The data that `send` takes.
 *
 * @since 0.1.0
 * @category models
 */
export type Message = string | ArrayBuffer | Blob | ArrayBufferView

/**
 * The options, all in milliseconds. Those of reconnecting-websocket, with its defaults, and two of Holdfast's.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The class that dials. Default: the global `WebSocket`. */
  readonly WebSocket?: unknown
  /** The first wait. Default: between 1,000 and 5,000, drawn once for each socket. */
  readonly minReconnectionDelay?: number | undefined
  /** The longest wait. Default: 10,000. */
  readonly maxReconnectionDelay?: number | undefined
  /** The factor from each wait to the next, at least 1. Default: 1.3. */
  readonly reconnectionDelayGrowFactor?: number | undefined
  /** The time after which an open connection counts as good: then retries are counted anew. Default: 5,000. */
  readonly minUptime?: number | undefined
  /** The deadline of a dial. Default: 4,000. */
  readonly connectionTimeout?: number | undefined
  /** The most retries in a row. Default: `Infinity`. */
  readonly maxRetries?: number | undefined
  /** The most messages that wait for an open connection. More of them are refused with an `error` event. Default: `Infinity`. */
  readonly maxEnqueuedMessages?: number | undefined
  /** Whether to wait for `reconnect` before the first dial. Default: false. */
  readonly startClosed?: boolean | undefined
  /** Whether to write to the console what happens. Default: false. */
  readonly debug?: boolean | undefined
  /** The longest time without a message, after which the connection counts as lost. Default: `Infinity`. */
  readonly messageTimeout?: number | undefined
  /**
   * Says whether to dial again after this failure. Default: yes, unless the URL or the subprotocols can never be dialled.
   */
  readonly shouldReconnect?: ((error: AttemptError) => boolean) | undefined
}

/**
 * An error of a dial, of an open connection, or of a `send`. The event `close` follows if there is one to come.
 *
 * @since 0.1.0
 * @category models
 */
export class ErrorEvent extends Event {
  /** The message of the error; `TIMEOUT` if the dial took too long. */
  readonly message: string
  /** The typed error. */
  readonly error: Error
  constructor(error: Error, message: string = error.message) {
    super("error")
    this.error = error
    this.message = message
  }
}

/**
 * A socket has closed.
 *
 * @since 0.1.0
 * @category models
 */
export class CloseEvent extends Event {
  /** The close code: 1006 without a close frame. */
  readonly code: number
  readonly reason: string
  /** Whether the closing handshake was done. */
  readonly wasClean: boolean
  constructor(code: number, reason: string, wasClean: boolean) {
    super("close")
    this.code = code
    this.reason = reason
    this.wasClean = wasClean
  }
}

/**
 * The events, by their name.
 *
 * @since 0.1.0
 * @category models
 */
export interface EventMap {
  readonly open: Event
  readonly message: MessageEvent
  readonly error: ErrorEvent
  readonly close: CloseEvent
}

/**
 * A listener of one kind of event: a function, or an object with a method.
 *
 * @since 0.1.0
 * @category models
 */
export type Listener<E extends Event> = ((event: E) => void) | { readonly handleEvent: (event: E) => void }

type BaseListener = Parameters<EventTarget["addEventListener"]>[1]
type AddOptions = Parameters<EventTarget["addEventListener"]>[2]
type RemoveOptions = Parameters<EventTarget["removeEventListener"]>[2]

// ---------------------------------------------------------------------------------------------------------------------
// Options

const aCount = (least: number): Check.Check => (value, name, subject) => {
  if (typeof value !== "number" || !(value >= least)) throw Check.wrong(name, subject, `a number from ${least}`, value)
}

const checks = {
  WebSocket: Check.elsewhere,
  minReconnectionDelay: aCount(0),
  maxReconnectionDelay: aCount(0),
  reconnectionDelayGrowFactor: aCount(1),
  minUptime: aCount(0),
  connectionTimeout: aCount(0),
  maxRetries: aCount(0),
  maxEnqueuedMessages: aCount(0),
  startClosed: Check.aBoolean,
  debug: Check.aBoolean,
  messageTimeout: aCount(0),
  shouldReconnect: Check.aFunction
} satisfies Record<keyof Options, Check.Check>

type Construct = (url: string, protocols?: string | Array<string>) => Socket

type SocketClass = new(url: string, protocols?: string | Array<string>) => Socket

const isClass = (value: unknown): value is SocketClass => Predicate.isFunction(value) && Reflect.get(value, "CLOSING") === 2

const constructOf = (given: unknown): Construct => {
  const Class: unknown = given ?? Reflect.get(globalThis, "WebSocket")
  if (isClass(Class)) return (url, protocols) => new Class(url, protocols)
  if (given !== undefined) throw Check.wrong("WebSocket", "The option WebSocket", "a class like the WebSocket of browsers", given)
  throw new Check.InvalidArgument({
    argument: "WebSocket",
    reason: "This platform has no WebSocket. Give a class as the option WebSocket, such as that of the package ws"
  })
}

const urlOf = (url: unknown): Connection.Options["url"] => {
  if (Check.isText(url)) return url
  if (!Predicate.isFunction(url)) throw Check.wrong("url", "The URL", "a text, or a function that gives one", url)
  return Effect.flatMap(called((): unknown => Reflect.apply(url, undefined, [])), (text) =>
    Check.isText(text) ? Effect.succeed(text) : Effect.fail(Check.wrong("url", "What the function of the URL gives", "a text", text)))
}

const protocolsOf = (protocols: unknown): ReadonlyArray<string> => {
  if (protocols === undefined || protocols === null || protocols === "") return []
  const all: ReadonlyArray<unknown> = Array.isArray(protocols) ? protocols : [protocols]
  if (!all.every(Check.isText)) throw Check.wrong("protocols", "The protocols", "a text, or an array of texts", protocols)
  return all
}

// A dial that can never succeed.
const isHopeless = (error: AttemptError): boolean =>
  error._tag === "InvalidUrl" || (error._tag === "DialFailed" && error.code === "ERR_INVALID_REQUEST")

const classify = (shouldReconnect: Options["shouldReconnect"]) => (error: AttemptError, standard: FailureClass): FailureClass => {
  if (isHopeless(error) || shouldReconnect?.(error) === false) return { _tag: "Fatal" }
  return standard._tag === "RetryAfter" ? standard : { _tag: "Retry" }
}

const finite = (millis: number): Duration.DurationInput => Number.isFinite(millis) ? millis : Duration.infinity

// Their waits have no jitter, but a first wait that differs from socket to socket.
const drawDelay = Random.nextRange(1_000, 5_000)

const connectionOptions = (url: Connection.Options["url"], protocols: ReadonlyArray<string>, options: Options): Connection.Options => {
  const maxDelay = Math.max(options.maxReconnectionDelay ?? 10_000, 1)
  const maxRetries = options.maxRetries ?? Infinity
  return {
    url,
    protocols,
    reconnect: {
      initialDelay: Math.min(options.minReconnectionDelay ?? now(drawDelay), maxDelay),
      maxDelay: finite(maxDelay),
      backoffMultiplier: options.reconnectionDelayGrowFactor ?? 1.3,
      jitterFactor: 0,
      maxRetries: Number.isFinite(maxRetries) ? Math.floor(maxRetries) : "unlimited",
      stableAfter: finite(options.minUptime ?? 5_000),
      provenBy: "open"
    },
    openTimeout: finite(Math.max(options.connectionTimeout ?? 4_000, 1)),
    // Quiet connections stay.
    messageTimeout: finite(options.messageTimeout ?? Infinity),
    classify: classify(options.shouldReconnect)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Events

const lastOf = (error: ConnectionError): AttemptError => error._tag === "RetriesExhausted" ? error.last : error

const closeOf = (error: AttemptError): CloseEvent =>
  error._tag === "ConnectionClosed"
    ? new CloseEvent(error.code, error.reason, error.code !== 1006)
    : new CloseEvent(1006, "", false)

const isTimeout = (error: AttemptError) => error._tag === "ConnectionTimeout" && error.deadline === "open"

// ---------------------------------------------------------------------------------------------------------------------

/** The state of the socket: the values are those of `readyState`. */
const connecting = 0
const open = 1
const closing = 2
const closed = 3

/** A connection from `connect` to its end. */
interface Run {
  readonly connection: Connection.Connection
  readonly scope: Scope.CloseableScope
}

/**
 * A WebSocket that reconnects. `new ReconnectingWebSocket(url, protocols, options)`, as in the package of that name.
 *
 * Messages that are sent while no connection is open wait for the next one, and go out in their order before the event `open`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import ReconnectingWebSocket from "holdfast/compat/reconnecting-websocket"
 *
 * const socket = new ReconnectingWebSocket("wss://example.com/feed", [], { maxRetries: 20 })
 * socket.addEventListener("message", ({ data }) => {
 *   console.log(data)
 * })
 * socket.send("hello")
 * ```
 */
export class ReconnectingWebSocket extends EventTarget {
  static readonly CONNECTING = connecting
  static readonly OPEN = open
  static readonly CLOSING = closing
  static readonly CLOSED = closed
  readonly CONNECTING = connecting
  readonly OPEN = open
  readonly CLOSING = closing
  readonly CLOSED = closed

  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent) => void) | null = null
  onerror: ((event: ErrorEvent) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null

  /** How binary messages arrive: `"blob"`, `"arraybuffer"`, or `"nodebuffer"` where there is `Buffer`. */
  binaryType: "blob" | "arraybuffer" | "nodebuffer" = "blob"

  readonly #settings: Connection.Options
  readonly #construct: Construct
  readonly #options: Options
  #run: Run | undefined = undefined
  #readyState: number = connecting
  #retryCount = 0
  #openedAt = 0
  #socket: Socket | undefined = undefined
  /** The data that waits for an open connection. */
  #queue: Array<Message> = []
  /** A Blob is read before it is sent, and what follows it waits. */
  #reading: Promise<void> | undefined = undefined
  /** The close of the present run, and whether to dial again after it. */
  #closing: Promise<void> | undefined = undefined
  #isRequested = true

  constructor(url: UrlProvider, protocols?: string | ReadonlyArray<string> | null, options: Options = {}) {
    super()
    Check.checkOptions("ReconnectingWebSocket", checks, options)
    this.#options = options
    this.#construct = constructOf(options.WebSocket)
    this.#settings = connectionOptions(urlOf(url), protocolsOf(protocols), options)
    if (options.startClosed === true) this.#readyState = closed
    else this.#start()
  }

  /** One of `CONNECTING`, `OPEN`, `CLOSING` and `CLOSED`. While it waits for its next dial, it is `CLOSED`. */
  get readyState(): number {
    return this.#readyState
  }

  /** The number of retries since the last connection that was open for `minUptime`. */
  get retryCount(): number {
    const isGood = this.#readyState === open && now(monotonic) - this.#openedAt >= (this.#options.minUptime ?? 5_000)
    return isGood ? 0 : this.#retryCount
  }

  /** The bytes that wait, for an open connection or to be sent on it. */
  get bufferedAmount(): number {
    return this.#queue.reduce((bytes, data) => bytes + sizeOf(data), this.#socket?.bufferedAmount ?? 0)
  }

  /** The URL of the present socket, or of the last one; `""` before the first dial. */
  get url(): string {
    return this.#socket?.url ?? ""
  }

  /** The subprotocol that the server chose, or `""`. */
  get protocol(): string {
    return this.#socket?.protocol ?? ""
  }

  /** The extensions that the server chose. */
  get extensions(): string {
    return this.#socket?.extensions ?? ""
  }

  override addEventListener<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>, options?: AddOptions): void
  override addEventListener(name: string, listener: BaseListener, options?: AddOptions): void
  override addEventListener(name: string, listener: BaseListener, options?: AddOptions): void {
    super.addEventListener(name, listener, options)
  }

  override removeEventListener<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>, options?: RemoveOptions): void
  override removeEventListener(name: string, listener: BaseListener, options?: RemoveOptions): void
  override removeEventListener(name: string, listener: BaseListener, options?: RemoveOptions): void {
    super.removeEventListener(name, listener, options)
  }

  /** Sends a message, or keeps it for the next open connection. */
  send(data: Message): void {
    if (!isMessage(data)) throw new SendFailed({ reason: "a message is a text, an ArrayBuffer, a view of one, or a Blob" })
    if (this.#readyState === open) {
      this.#write(data)
    } else if (this.#queue.length < (this.#options.maxEnqueuedMessages ?? Infinity)) {
      this.#queue.push(data)
    } else {
      const reason = `${this.#queue.length} messages wait for an open connection: maxEnqueuedMessages allows no more`
      this.#tell(new ErrorEvent(new SendFailed({ reason })))
    }
  }

  /** Closes the connection, or stops dialling, until `reconnect`. Throws `InvalidCloseFrame` if the code must not be sent. */
  close(code = 1000, reason = ""): void {
    now(checkClose({ code, reason }))
    this.#isRequested = false
    this.#stop(code, reason)
  }

  /** Closes the connection, or the dial, and dials again at once, with all retries. */
  reconnect(code = 1000, reason = ""): void {
    now(checkClose({ code, reason }))
    this.#isRequested = true
    this.#retryCount = 0
    if (this.#run === undefined && this.#closing === undefined) this.#start()
    else this.#stop(code, reason)
  }

  #debug(...parts: ReadonlyArray<unknown>): void {
    if (this.#options.debug === true) Effect.runSync(Console.log("RWS>", ...parts))
  }

  #start(): void {
    const scope = Effect.runSync(Scope.make())
    const construct: Construct = (url, protocols) => {
      // A socket without subprotocols, as `new WebSocket(url)` makes it.
      const socket = this.#construct(url, protocols?.length === 0 ? undefined : protocols)
      this.#socket = socket
      return socket
    }
    const connection = makeNow(Connection.make(this.#settings).pipe(
      Effect.provideService(Transport, {
        capabilities: { ping: false, pause: false, terminate: false, handshake: false, headers: false },
        dial: dialWith(construct)
      }),
      Scope.extend(scope),
      Effect.mapError(Check.ofOptions),
      withLog()
    ))
    const run = { connection, scope }
    this.#run = run
    this.#readyState = connecting
    const startListening = (listening: Effect.Effect<void, unknown>) => {
      Effect.runFork(Effect.catchAllCause(listening, () => Effect.void), { immediate: false })
    }
    startListening(connection.events.listen((events) => {
      for (const event of events) this.#follow(run, event)
    }))
    startListening(connection.messages.listen((messages) => {
      for (const message of messages) this.#receive(run, message)
    }))
  }

  // Ends the present run. What follows depends on what is wanted by then.
  #stop(code: number, reason: string): void {
    const run = this.#run
    if (run === undefined) return
    this.#debug("close", code, reason)
    const event = this.#closeEvent(code, reason)
    this.#run = undefined
    // While it waits for its next dial, there is no socket to close.
    if (this.#readyState !== closed) this.#readyState = closing
    const ended = Effect.zipRight(Effect.ignore(run.connection.disconnectWith({ code, reason })), Scope.close(run.scope, Exit.void))
    this.#closing = toPromise(withLog()(ended)).then(() => {
      this.#closing = undefined
      this.#readyState = closed
      if (event !== undefined) this.#tell(event)
      if (this.#mustStart()) this.#start()
    })
  }

  // The end of the present run, as listeners are told of it. Undefined: they are not.
  #closeEvent(code: number, reason: string): CloseEvent | undefined {
    if (this.#readyState === open) return new CloseEvent(code, reason, true)
    return this.#readyState === connecting && !this.#isRequested ? new CloseEvent(1006, "", false) : undefined
  }

  // A listener of `close` may have called `reconnect` or `close`.
  #mustStart(): boolean {
    return this.#isRequested && this.#run === undefined && this.#closing === undefined
  }

  #follow(run: Run, event: ConnectionEvent): void {
    if (this.#run !== run) return
    switch (event._tag) {
      case "Dialling":
        this.#debug("connect", event.attempt)
        this.#readyState = connecting
        this.#retryCount = event.attempt
        return
      case "Opened":
        this.#debug("open")
        this.#readyState = open
        this.#openedAt = now(monotonic)
        for (const data of this.#queue.splice(0)) this.#write(data)
        this.#tell(new Event("open"))
        return
      case "Lost":
        this.#readyState = closed
        return
      case "Waiting":
        this.#readyState = closed
        this.#retryCount = event.attempt
        this.#debug("next delay", Duration.toMillis(event.delay))
        this.#fail(event.cause)
        return
      case "Failed":
        this.#giveUp(run)
        this.#fail(lastOf(event.error))
        return
      case "Died":
        this.#giveUp(run)
        this.#tell(new ErrorEvent(asError(event.cause)))
    }
  }

  #giveUp({ scope }: Run): void {
    this.#run = undefined
    this.#readyState = closed
    Effect.runFork(withLog()(Scope.close(scope, Exit.void)))
  }

  #fail(error: AttemptError): void {
    this.#debug("lost", error.message)
    if (error._tag !== "ConnectionClosed") this.#tell(new ErrorEvent(error, isTimeout(error) ? "TIMEOUT" : error.message))
    this.#tell(closeOf(error))
  }

  #receive(run: Run, message: string | Uint8Array): void {
    if (this.#run !== run || this.#readyState !== open) return
    this.#tell(new MessageEvent("message", { data: typeof message === "string" ? message : bytesOf(message, this.binaryType) }))
  }

  // In order: what follows a Blob waits until the Blob has been read.
  #write(data: Message): void {
    const content = messageOf(data)
    if (this.#reading === undefined && !(content instanceof Promise)) {
      this.#transmit(content)
      return
    }
    const read = Promise.all([content, this.#reading]).then(([bytes]) => {
      this.#transmit(bytes)
    }, (error: unknown) => {
      this.#tell(new ErrorEvent(new SendFailed({ reason: `the Blob could not be read: ${asError(error).message}` })))
    })
    const reading = read.then(() => {
      if (this.#reading === reading) this.#reading = undefined
    })
    this.#reading = reading
  }

  #transmit(data: Data): void {
    const sending = this.#run?.connection.send(data) ?? new NotConnected({ state: "Disconnected" })
    Effect.runFork(Effect.catchAll(sending, (error) =>
      Effect.sync(() => {
        this.#tell(new ErrorEvent(error))
      })))
  }

  #tell(event: EventMap[keyof EventMap]): void {
    const handler: unknown = Reflect.get(this, `on${event.type}`)
    if (Predicate.isFunction(handler)) {
      call((told: Event) => {
        Reflect.apply(handler, this, [told])
      }, event)
    }
    this.dispatchEvent(event)
  }
}

export default ReconnectingWebSocket
