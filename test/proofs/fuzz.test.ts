import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { decodeAll, feedAll } from "./fuzz/fuzz.ts"

describe("malformed messages", () => {
  it("do no harm to the decoder, which decodes the valid ones between them", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const { invalid, valid, wrong } = decodeAll({ messages: 400, seed })
      assert.deepStrictEqual(wrong, [])
      assert.isAbove(valid, 0)
      assert.isAbove(invalid, 0)
    }), { numRuns: 20 })
  })

  for (const seed of fc.sample(fc.integer({ min: 0, max: 2 ** 31 }), 2)) {
    it.scopedLive(`do no harm to a feed, which delivers the valid ones between them once (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { connections, received, reported, wrong } = yield* feedAll({ messages: 6_000, seed })
        assert.deepStrictEqual(wrong, [])
        assert.isAbove(received, 0)
        assert.isAbove(reported, 0)
        assert.isAbove(connections, 1)
      }), 60_000)
  }
})
