// Sends the heartbeats of a protocol on each connection, and ends a connection whose peer does not answer one in time.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ConnectionTimeout } from "../../ConnectionError.ts"
import type * as SessionProtocol from "../../SessionProtocol.ts"
import type { Handle } from "../connection/handle.ts"
import { isDue, monotonic } from "../time/monotonic.ts"
import { sleep } from "../time/sleep.ts"
import type { Redactor } from "../transport/redactor.ts"
import { reasonOf } from "../reason.ts"
import type { Settings } from "./settings.ts"
import type { Sample } from "./stuck.ts"
import { mayBeStuck, secondAt, sleepUntil } from "./stuck.ts"
import type { Wire } from "./wire.ts"
import { writing } from "./writing.ts"

export interface Options {
  readonly handle: Pick<Handle, "connection" | "fail" | "vitals">
  readonly redactor: Redactor
  readonly heartbeat: SessionProtocol.Heartbeat
  readonly durations: Exclude<Settings["heartbeat"], undefined>
}

export interface Heartbeat {
  /** Sends heartbeats until the wire ends. */
  readonly run: (wire: Pick<Wire<never>, "epoch" | "pace" | "ended">) => Effect.Effect<void>
  /** Tells it that an answer has come. */
  readonly answered: () => void
}

// A heartbeat that was sent and not answered.
interface Waiting {
  readonly first: Sample
  /** Undefined until its time has come. */
  readonly second: Sample | undefined
  readonly due: number
}

export const make = ({ durations, handle, heartbeat, redactor }: Options): Heartbeat => {
  const { connection, fail, vitals } = handle
  const interval = Duration.toMillis(durations.interval)
  const timeout = Duration.toMillis(durations.timeout)
  const answer = Effect.unsafeMakeLatch(false)
  const message = writing(() => heartbeat.message, durations.timeout)
  const wait = (now: number): Waiting => ({ first: { at: now, vitals: vitals() }, second: undefined, due: now + timeout })
  const wakeAt = ({ due, first, second }: Waiting) => second === undefined ? secondAt(first.at, due) : due

  const beat = ({ ended, epoch, pace }: Pick<Wire<never>, "epoch" | "pace" | "ended">) =>
    Effect.gen(function*() {
      answer.unsafeClose()
      let next = (yield* monotonic) + interval
      let waiting: Waiting | undefined
      for (;;) {
        const now = yield* monotonic
        const pause = waiting !== undefined && wakeAt(waiting) < next
          ? sleepUntil(wakeAt(waiting))
          : sleep(Duration.millis(Math.max(0, next - now)))
        if (yield* Effect.raceFirst(Effect.as(answer.await, true), Effect.as(pause, false))) {
          answer.unsafeClose()
          waiting = undefined
          continue
        }
        const woke = yield* monotonic
        if (waiting !== undefined && isDue(wakeAt(waiting), woke)) {
          const { first, second } = waiting
          if (second === undefined) {
            waiting = { ...waiting, second: { at: woke, vitals: vitals() } }
            continue
          }
          if (!mayBeStuck({ first, second }, vitals())) {
            const state = yield* connection.state
            if (state._tag === "Connected" && state.epoch === epoch) {
              fail(new ConnectionTimeout({ deadline: "heartbeat", after: durations.timeout }))
            }
            return
          }
          waiting = wait(woke)
        }
        if (!isDue(next, woke)) continue
        const written = yield* Effect.either(message)
        if (Either.isLeft(written)) {
          yield* Effect.logWarning(`A heartbeat could not be written: ${redactor.text(reasonOf(written.left))}.`)
        } else {
          yield* pace.take(1)
          const sent = yield* monotonic
          if (heartbeat.isAnswer !== undefined) waiting ??= wait(sent)
          const result = yield* Effect.either(connection.send(written.right, { deadline: durations.timeout }))
          if (Either.isLeft(result) && result.left._tag !== "SendTimeout") return
        }
        // Those that were missed during a stall are not made up for.
        next = Math.max(next + interval, yield* monotonic)
      }
    }).pipe(Effect.raceFirst(Deferred.await(ended)))

  return {
    run: beat,
    answered: () => {
      answer.unsafeOpen()
    }
  }
}
