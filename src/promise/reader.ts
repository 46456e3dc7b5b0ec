// Reads a stream as an async iterator.
//
// It pulls a batch when the last one is used up, and holds no more than that batch. So the stream waits for its reader, as it
// does for any slow one. The stream begins with the first `next`, and its scope closes when the iterator ends or is left.
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { asError, errorOf } from "./run.ts"

/** Gives the stream of a reader, and may keep what it needs in the reader's scope. */
export type Open<A> = Effect.Effect<Stream.Stream<A, unknown>, unknown, Scope.Scope>

/** The part that the readers of a handle share. */
export interface Setting {
  /** A signal that is aborted fails iterators that end because of it, with its reason. */
  readonly signal: AbortSignal | undefined
  /** Runs what reads, for example with a log level. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

// The end of the stream is the failure without an error.
type Pull<A> = Effect.Effect<Chunk.Chunk<A>, Option.Option<unknown>>

const finished: IteratorReturnResult<undefined> = { done: true, value: undefined }

const pullOf = <A>(open: Open<A>, scope: Scope.Scope): Effect.Effect<Pull<A>, Option.Option<unknown>> =>
  open.pipe(Effect.mapError(Option.some), Effect.flatMap(Stream.toPull), Scope.extend(scope))

class Reader<A> implements AsyncIterableIterator<A, undefined, unknown> {
  readonly #open: Open<A>
  readonly #setting: Setting
  readonly #scope = Effect.runSync(Scope.make())
  #pull: Pull<A> | undefined = undefined
  #fiber: Fiber.RuntimeFiber<Chunk.Chunk<A>, Option.Option<unknown>> | undefined = undefined
  #batch: Iterator<A, unknown> = [][Symbol.iterator]()
  /** The calls of `next` that wait, and the end of the last of them: their results come in their order. */
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()
  #left: Promise<void> | undefined = undefined

  constructor(open: Open<A>, setting: Setting) {
    this.#open = open
    this.#setting = setting
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<A, undefined>> {
    if (this.#waiting === 0) {
      const item = this.#batch.next()
      if (item.done !== true) return Promise.resolve(item)
      if (this.#left !== undefined) return Promise.resolve(finished)
    }
    this.#waiting++
    const result = this.#last.then(() => this.#advance()).finally(() => {
      this.#waiting--
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.#leave()
    return finished
  }

  async throw(error?: unknown): Promise<never> {
    await this.#leave()
    throw asError(error)
  }

  async #advance(): Promise<IteratorResult<A, undefined>> {
    for (;;) {
      const item = this.#batch.next()
      if (item.done !== true) return item
      if (this.#left !== undefined) return finished
      const exit = await this.#take()
      if (Exit.isSuccess(exit)) {
        // A reader that has left gets nothing more.
        if (!this.#hasLeft()) this.#batch = exit.value[Symbol.iterator]()
      } else {
        return this.#end(exit.cause)
      }
    }
  }

  // A method, since the field changes while `#advance` waits.
  #hasLeft(): boolean {
    return this.#left !== undefined
  }

  #take(): Promise<Exit.Exit<Chunk.Chunk<A>, Option.Option<unknown>>> {
    const opened = Effect.suspend(() => this.#pull === undefined ? pullOf(this.#open, this.#scope) : Effect.succeed(this.#pull))
    const fiber = Effect.runFork(this.#setting.within(Effect.flatMap(opened, (pull) => {
      this.#pull = pull
      return pull
    })))
    this.#fiber = fiber
    return new Promise((resolve) => {
      fiber.addObserver(resolve)
    })
  }

  async #end(cause: Cause.Cause<Option.Option<unknown>>): Promise<IteratorReturnResult<undefined>> {
    const hasLeft = this.#hasLeft()
    await this.#leave()
    if (hasLeft) return finished
    const failure = Cause.failureOption(cause)
    const isEnd = Option.isSome(failure) ? Option.isNone(failure.value) : Cause.isInterruptedOnly(cause)
    if (isEnd) {
      this.#setting.signal?.throwIfAborted()
      return finished
    }
    throw errorOf(Cause.map(cause, Option.getOrUndefined))
  }

  #leave(): Promise<void> {
    return this.#left ??= this.#release()
  }

  #release(): Promise<void> {
    this.#batch = [][Symbol.iterator]()
    const interrupted = this.#fiber === undefined ? Effect.void : Fiber.interrupt(this.#fiber)
    return Effect.runPromise(Effect.zipRight(interrupted, Scope.close(this.#scope, Exit.void)))
  }
}

/** An iterable whose iterators each read the stream on their own. */
export const iterable = <A>(open: Open<A>, setting: Setting): AsyncIterable<A, undefined, unknown> => ({
  [Symbol.asyncIterator]: () => new Reader(open, setting)
})
