// A question to the REST interface that is asked beside a stream, which flows on meanwhile.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { isDue, monotonic } from "../time/monotonic.ts"

export class Inquiry<A> {
  readonly #ask: Effect.Effect<A>
  #at: number
  #fiber: Fiber.RuntimeFiber<A> | undefined
  #answers = 0

  /** It is asked at this monotonic time. */
  constructor(at: number, ask: Effect.Effect<A>) {
    this.#at = at
    this.#ask = ask
  }

  /** The number of answers so far, which may have decided nothing. */
  get answers(): number {
    return this.#answers
  }

  /** Completes when there is something to do: when it is to be asked, or is answered. */
  wait(): Effect.Effect<void> {
    if (this.#fiber !== undefined) return Effect.asVoid(Fiber.await(this.#fiber))
    return Effect.flatMap(monotonic, (now) => Effect.sleep(Math.max(0, this.#at - now)))
  }

  /** Asks when it is time, or `isUrgent`, and returns the answer once it is there. */
  poll(isUrgent: boolean): Effect.Effect<A | undefined> {
    return Effect.gen(this, function*() {
      if (this.#fiber === undefined) {
        if (isUrgent || isDue(this.#at, yield* monotonic)) this.#fiber = yield* Effect.fork(this.#ask)
        return undefined
      }
      const exit = this.#fiber.unsafePoll()
      if (exit === null) return undefined
      const answer = yield* exit
      this.#fiber = undefined
      this.#answers++
      return answer
    })
  }

  /** Asks again after this many milliseconds. */
  again(after: number): Effect.Effect<void> {
    return Effect.map(monotonic, (now) => {
      this.#at = now + after
    })
  }

  cancel(): Effect.Effect<void> {
    return this.#fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interruptFork(this.#fiber))
  }
}
