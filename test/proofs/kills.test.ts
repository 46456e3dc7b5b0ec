import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Kills from "./kills/kills.ts"

describe("a recorder that is killed at random moments", () => {
  it.live("leaves a whole recording each time, and in the end nothing is missing that the venue has", () =>
    Effect.gen(function*() {
      const { series, written, wrong } = yield* Kills.run({ rounds: 6, seed: 3 })
      assert.deepStrictEqual(wrong, [])
      // The run tested something: events were written, and each restart has its gap in the updates of the book.
      assert.isAbove(written, 1)
      assert.isAbove(series.get("BTCUSDT trade")?.count ?? 0, 100)
      assert.isAbove(series.get("BTCUSDT depth")?.gaps ?? 0, 0)
    }), 120_000)
})
