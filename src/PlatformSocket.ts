/**
 * A healed connection as a `Socket` of @effect/platform: for Effect RPC's client, and for whatever else runs over such a socket.
 *
 * @since 0.1.0
 */
import * as PlatformSocket from "@effect/platform/Socket"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Connection from "./Connection.ts"
import type { AttemptError, ConnectionError, NotConnected, ReconnectRequested } from "./ConnectionError.ts"
import { sleep } from "./internal/time/sleep.ts"
import type * as Item from "./Item.ts"
import type { Message } from "./Transport.ts"

// A write that failed with its connection fails after the run, which says why; but not later than this.
const runEnds = Duration.seconds(1)

const encoder = new TextEncoder()

const lostWith = (cause: AttemptError | ReconnectRequested): PlatformSocket.SocketError =>
  cause._tag === "ConnectionClosed"
    ? new PlatformSocket.SocketCloseError({ reason: "Close", code: cause.code, closeReason: cause.reason })
    : failedToRead(cause)

// The failure that a given-up connection was lost with.
const lastOf = (error: ConnectionError): AttemptError => error._tag === "RetriesExhausted" ? error.last : error

const isClosed = (error: ConnectionError | NotConnected): boolean => error._tag === "NotConnected"

const failedToOpen = (cause: unknown) => new PlatformSocket.SocketGenericError({ reason: "Open", cause })

const failedToRead = (cause: unknown) => new PlatformSocket.SocketGenericError({ reason: "Read", cause })

const failedToWrite = (cause: unknown) => new PlatformSocket.SocketGenericError({ reason: "Write", cause })

/** What happens next on an open connection. */
type Next =
  | { readonly _tag: "Items"; readonly items: Iterable<Item.Item> }
  | { readonly _tag: "Lost"; readonly error: PlatformSocket.SocketError }
  /** The connection was disconnected, or its scope has closed. */
  | { readonly _tag: "Ended" }
  | { readonly _tag: "Drained" }

const endOf = (next: Next): Effect.Effect<void, PlatformSocket.SocketError> => next._tag === "Lost" ? next.error : Effect.void

/** Items that were taken from the connection. Those that come next are of this epoch. */
interface Held {
  readonly epoch: number
  readonly items: ReadonlyArray<Item.Item>
  /** The position of the first item that no run has handled. */
  next: number
}

// The items since the connection of this epoch opened. If no gap says where that was, all are of this epoch: it is the first
// since `connect`, or another reader has taken the gap. A gap with dropped messages stays.
const sinceOpened = ({ items, next }: Held, later: ReadonlyArray<Item.Item>, epoch: number): ReadonlyArray<Item.Item> => {
  const all = [...items.slice(next), ...later]
  const opened = all.findIndex((item) => item._tag === "Gap" && item.epoch === epoch && item.cause._tag !== "InboxOverflow")
  return opened < 0 ? later : all.slice(opened)
}

/**
 * Makes a socket of a connection.
 *
 * - Each `run` lasts for one open connection. It waits until one is open, runs `onOpen`, and calls the handler with each message,
 *   one after the other. When the connection is lost, the run fails once all messages from before have been handled: with
 *   `SocketCloseError` after a close code (1006 without a close frame), else with `SocketGenericError`, whose `cause` says why. The
 *   next `run` waits for the connection that heals it, and begins with that one's first message. Messages of a connection for
 *   which there was no run are dropped. Only one run goes on at a time.
 * - A run fails with the reason `Read` where the inbox has dropped messages, which it does only with another overflow policy
 *   than `"suspend"`. The next run goes on behind that.
 * - A run completes when the connection is disconnected or closed. It fails with the reason `Open` when no connection opens
 *   because it was given up.
 * - A write waits for an open connection. A `CloseEvent` disconnects, and the connection stays disconnected.
 *
 * So Effect RPC's client fails the requests that are in flight when the connection is lost, and goes on when it is healed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConnection = (connection: Connection.Connection): PlatformSocket.Socket => {
  let held: Held = { epoch: 0, items: [], next: 0 }
  // Completes when the present run has ended.
  let running: Deferred.Deferred<void> | undefined

  const epochOf = Effect.map(connection.state, (state) => state._tag === "Connected" ? state.epoch : undefined)

  // Opens first, since the connection may be lost again before the state is read.
  const open: Effect.Effect<number, ConnectionError | NotConnected> = Effect.flatMap(
    Effect.zipRight(connection.awaitOpen, epochOf),
    (epoch) => epoch === undefined ? open : Effect.succeed(epoch)
  )

  const lossOf = (epoch: number): Effect.Effect<Next> =>
    connection.changes.pipe(
      Stream.filterMap((state): Option.Option<Next> => {
        switch (state._tag) {
          case "Connected":
            return state.epoch === epoch ? Option.none() : Option.some({ _tag: "Lost", error: lostUnseen })
          case "Reconnecting":
            return Option.some({ _tag: "Lost", error: lostWith(state.cause) })
          case "Failed":
            return Option.some({ _tag: "Lost", error: lostWith(lastOf(state.error)) })
          case "Connecting":
            return Option.some({ _tag: "Lost", error: lostUnseen })
          case "Disconnected":
          case "Closed":
            return Option.some({ _tag: "Ended" })
        }
      }),
      Stream.runHead,
      Effect.map(Option.getOrElse((): Next => ({ _tag: "Ended" })))
    )

  const runRaw = <A, E = never, R = never>(
    handler: (message: Message) => Effect.Effect<A, E, R> | void,
    options?: { readonly onOpen?: Effect.Effect<void> | undefined }
  ): Effect.Effect<void, PlatformSocket.SocketError | E, R> =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      running = ended
      yield* Effect.addFinalizer(() => Deferred.succeed(ended, undefined))
      const opened = yield* Effect.either(open)
      if (opened._tag === "Left") return yield* isClosed(opened.left) ? Effect.void : failedToOpen(opened.left)
      const epoch = opened.right
      const pull = yield* Stream.toPull(connection.items)
      const loss = yield* Effect.forkScoped(lossOf(epoch))

      // A pull that waits is kept, not interrupted: it may have taken items by then.
      let pulling: Fiber.RuntimeFiber<Next> | undefined
      const pullNext = Effect.forkScoped(Effect.map(
        Effect.either(pull),
        (taken): Next => taken._tag === "Right" ? { _tag: "Items", items: taken.right } : { _tag: "Drained" }
      ))
      // Waits for items, for this long.
      const takeWithin = (until: Effect.Effect<Next>) =>
        Effect.gen(function*() {
          const next = yield* Effect.raceFirst(Fiber.join(pulling ??= yield* pullNext), until)
          if (next._tag === "Items") pulling = undefined
          return next
        })
      yield* Effect.addFinalizer(() =>
        pulling === undefined ? Effect.void : Effect.map(Fiber.interrupt(pulling), (exit) => {
          if (Exit.isSuccess(exit) && exit.value._tag === "Items") held = { ...held, items: [...held.items, ...exit.value.items] }
        }))
      // Twice: the reader of the items wakes in the first.
      const drained: Effect.Effect<Next> = Effect.as(Effect.zipRight(Effect.yieldNow(), Effect.yieldNow()), { _tag: "Drained" })

      if (held.epoch !== epoch) {
        const later: Array<Item.Item> = []
        for (let next = yield* takeWithin(drained); next._tag === "Items"; next = yield* takeWithin(drained)) later.push(...next.items)
        held = { epoch, items: sinceOpened(held, later, epoch), next: 0 }
      }
      if (options?.onOpen !== undefined) yield* options.onOpen

      let last: Next | undefined
      for (;;) {
        for (let item = held.items[held.next]; item !== undefined; item = held.items[held.next]) {
          if (item._tag === "Gap" && item.epoch !== epoch) {
            // The items from here on are for the next run.
            held = { epoch: item.epoch, items: held.items.slice(held.next), next: 0 }
            return yield* endOf(yield* Fiber.join(loss))
          }
          held.next++
          if (item._tag === "Gap") {
            if (item.dropped > 0) return yield* failedToRead(item.cause)
          } else {
            const handled = handler(item.data)
            if (Effect.isEffect(handled)) yield* handled
          }
        }
        const next: Next = yield* takeWithin(last === undefined ? Fiber.join(loss) : drained)
        switch (next._tag) {
          case "Items":
            held = { epoch, items: [...next.items], next: 0 }
            break
          case "Drained":
            return yield* endOf(last ?? (yield* Fiber.join(loss)))
          case "Lost":
          case "Ended":
            last = next
        }
      }
    }).pipe(Effect.scoped)

  // Fails after the run of the lost connection.
  const failAfterRun = (cause: unknown) =>
    Effect.suspend(() => running === undefined ? Effect.void : Effect.raceFirst(Deferred.await(running), sleep(runEnds))).pipe(
      Effect.zipRight(Effect.yieldNow()),
      Effect.zipRight(failedToWrite(cause))
    )

  const write = (chunk: Message | PlatformSocket.CloseEvent): Effect.Effect<void, PlatformSocket.SocketError> =>
    PlatformSocket.isCloseEvent(chunk)
      ? Effect.mapError(connection.disconnectWith({ code: chunk.code, reason: chunk.reason }), failedToWrite)
      : connection.send(chunk, { deadline: Duration.infinity }).pipe(
        Effect.catchAll(failAfterRun)
      )

  return {
    [PlatformSocket.TypeId]: PlatformSocket.TypeId,
    run: (handler, options) =>
      runRaw((message) => handler(typeof message === "string" ? encoder.encode(message) : message), options),
    runRaw,
    writer: Effect.succeed(write)
  }
}

const lostUnseen = new PlatformSocket.SocketCloseError({ reason: "Close", code: 1006 })

/**
 * The socket of the connection that is provided.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as PlatformSocket from "holdfast/PlatformSocket"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const SocketLive = PlatformSocket.layer.pipe(
 *   Layer.provide(Connection.layer({ url: "wss://example.com/rpc" })),
 *   Layer.provide(NodeTransport.layer)
 * )
 * ```
 */
export const layer: Layer.Layer<PlatformSocket.Socket, never, Connection.Connection> = Layer.effect(
  PlatformSocket.Socket,
  Effect.map(Connection.Connection, fromConnection)
)
