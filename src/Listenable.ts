/**
 * Streams that can also be listened to.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/**
 * A stream that can also be listened to, with a plain function. Whatever is done to it makes an ordinary stream of it.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const program = Effect.gen(function*() {
 *   const connection = yield* Connection.make({ url: "wss://stream.binance.com:9443/ws/btcusdt@trade" })
 *   let count = 0
 *   yield* connection.messages.listen((messages) => {
 *     count += messages.length
 *   })
 * }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
 * ```
 */
export interface Listenable<A, E = never> extends Stream.Stream<A, E> {
  /**
   * Calls `hear` with everything that came at once, as soon as it comes: nearly always no fibre wakes for it, which at low
   * rates is most of what a message costs. It begins, ends and fails as the stream does. Alone it never falls behind, so
   * that nothing is held or dropped for it; a slow reader of the same stream beside it decides for both, unless what does
   * not fit slides out (`overflow: "sliding"`). What `hear` does not return from holds up everything else.
   *
   * What `hear` throws is a defect, and ends it; what it leaves to a promise is its own affair.
   */
  readonly listen: (hear: (batch: ReadonlyArray<A>) => void) => Effect.Effect<void, E>
}
