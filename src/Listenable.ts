/**
 * Streams that can also be run with an effect for each event, or listened to with a plain function.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/**
 * A stream that can also be run with an effect for each event, or listened to with a plain function. What combinators
 * make of it is an ordinary stream.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const program = Effect.gen(function*() {
 *   const connection = yield* Connection.make({ url: "wss://example.com/feed" })
 *   let count = 0
 *   yield* Effect.fork(connection.messages.listen((messages) => {
 *     count += messages.length
 *   }))
 *   yield* connection.items.forEach((item) => Console.log(item, count))
 * }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
 * ```
 */
export interface Listenable<A, E = never> extends Stream.Stream<A, E> {
  /**
   * Runs the effect that `f` gives for each event, one after the other: the next event waits until that effect is done.
   * Meanwhile the stream holds what comes as it does for any slow reader, within its bounds and by its overflow policy.
   *
   * It begins, ends and fails as the stream does, and also fails as `f` fails. When it ends early, by a failure or by
   * interruption, it drops the rest of the batch it had taken; what came after that is held for the next reader.
   */
  readonly forEach: <B, E2, R>(f: (event: A) => Effect.Effect<B, E2, R>) => Effect.Effect<void, E | E2, R>
  /**
   * Calls `onBatch` with everything that came at once, as soon as it comes: nearly always no fibre wakes for it, which at low
   * rates is most of what a message costs. It begins, ends and fails as the stream does. Alone it never falls behind, so
   * that nothing is held or dropped for it; a slow reader of the same stream beside it decides for both, unless what does
   * not fit slides out (`overflow: "sliding"`). What `onBatch` does not return from holds up everything else.
   *
   * What `onBatch` throws is a defect, and ends it; what it leaves to a promise is its own affair.
   */
  readonly listen: (onBatch: (batch: ReadonlyArray<A>) => void) => Effect.Effect<void, E>
}
