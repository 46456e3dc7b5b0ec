/**
 * The runtime of a run: virtual time, seeded randomness, no log, and a count of the fibres that are alive.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Supervisor from "effect/Supervisor"
import * as Tape from "./Tape.ts"
import * as VirtualTime from "./VirtualTime.ts"
import type { Report, Violation } from "./Violation.ts"

class Census extends Supervisor.AbstractSupervisor<number> {
  readonly alive = new Set<unknown>()
  override readonly value = Effect.sync(() => this.alive.size)
  override onStart(_context: unknown, _effect: unknown, _parent: unknown, fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    this.alive.add(fiber)
  }
  override onEnd(_exit: unknown, fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    this.alive.delete(fiber)
  }
}

/** A running effect. `exit` is undefined until it ends. */
export interface Running<A, E> {
  readonly exit: () => Exit.Exit<A, E> | undefined
  readonly interrupt: () => void
}

export interface World {
  readonly time: VirtualTime.VirtualTime
  readonly violations: ReadonlyArray<Violation>
  readonly report: Report
  /** Notes that the run has exercised something. */
  readonly note: (what: string) => void
  /** What the run has exercised. */
  readonly exercised: () => ReadonlyArray<string>
  /** Starts an effect, and runs all fibres until they wait. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Running<A, E>
  /** Runs an effect that never waits. */
  readonly runSync: <A, E>(effect: Effect.Effect<A, E>) => Exit.Exit<A, E>
  /** The number of fibres that are alive. */
  readonly fibers: () => number
  /** Milliseconds since the run began. */
  readonly elapsed: () => number
}

export const make = (seed: number): World => {
  const time = VirtualTime.make(Tape.start)
  const census = new Census()
  const violations: Array<Violation> = []
  const exercised = new Set<string>()
  const elapsed = () => time.now() - Tape.start
  const within = <A, E>(effect: Effect.Effect<A, E>) =>
    effect.pipe(
      Effect.supervised(census),
      Effect.withClock(time.clock),
      Effect.withRandom(random),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  const random = Random.make(seed)
  const runtime = Effect.runSync(within(Effect.runtime()))
  return {
    time,
    violations,
    report: ({ at, detail, invariant }) => {
      violations.push({ invariant, at: at === undefined ? elapsed() : at - Tape.start, detail })
    },
    note: (what) => {
      exercised.add(what)
    },
    exercised: () => [...exercised].sort(),
    run: (effect) => {
      const fiber = Runtime.runFork(runtime)(effect, { scheduler: time.scheduler })
      time.flush()
      return {
        exit: () => fiber.unsafePoll() ?? undefined,
        interrupt: () => {
          fiber.unsafeInterruptAsFork(fiber.id())
          time.flush()
        }
      }
    },
    runSync: (effect) => Effect.runSyncExit(effect),
    fibers: () => census.alive.size,
    elapsed
  }
}
