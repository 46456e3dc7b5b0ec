/**
 * Streams that can also be read with an effect for each element, or with a plain function for each batch.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/**
 * A stream that can also be read with an effect for each element, or with a plain function for each batch. Stream
 * combinators return ordinary streams.
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
   * Runs the effect of `f` for each element, one at a time. The next element waits until that effect is done; meanwhile
   * the stream's overflow policy applies, as for any slow reader.
   *
   * It begins, ends and fails as the stream does, and fails when `f` fails. If it ends early, by a failure or an
   * interruption, it drops the rest of its current batch. Later batches are held for the next reader.
   */
  readonly forEach: <B, E2, R>(f: (element: A) => Effect.Effect<B, E2, R>) => Effect.Effect<void, E | E2, R>
  /**
   * Calls `onBatch` with each batch as it arrives. Nearly always no fibre wakes for a batch, which saves most of the cost
   * of a message at low rates. The call begins, ends and fails as the stream does.
   *
   * A listener never falls behind, so no element is held or dropped because of it. If a slow reader of the same stream fills
   * the buffer, the overflow policy applies to both, except that `"sliding"` drops nothing for the listener.
   *
   * `onBatch` must return quickly: everything else in the process waits for it. If it throws, `listen` ends with a
   * defect. It does not wait for promises that `onBatch` starts.
   */
  readonly listen: (onBatch: (batch: ReadonlyArray<A>) => void) => Effect.Effect<void, E>
}
