import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chaos from "./chaos/chaos.ts"
import * as Witness from "./chaos/Witness.ts"

describe("chaos", () => {
  it.scopedLive("recovers from every fault of the network, of the clock and of what its user does, and no event is lost, repeated or out of order", () =>
    Effect.gen(function*() {
      const kinds = Chaos.names.filter((name) => /^(network|TLS|user|clock)/.test(name))
      const report = yield* Chaos.run({ faults: kinds.length, seed: 7, kinds, pause: "100 millis" })
      assert.deepStrictEqual(Chaos.faultsOf(report), [])
      assert.deepStrictEqual(new Set(report.healings.map(({ kind }) => kind)), new Set(kinds))
      // The run tested something: connections broke, events were fetched, gaps were declared, and books were compared.
      assert.isAbove(report.outages, 0)
      assert.isAbove(report.fetched, 0)
      assert.isAbove(report.gapsByCause.NotRepairable ?? 0, 0)
      assert.isAbove(report.books.equal, 0)
    }), 240_000)
})

describe("the witness", () => {
  const judge = (...seen: ReadonlyArray<number | readonly [from: number, to: number]>) => {
    const witness = Witness.make()
    for (const one of seen) {
      if (typeof one === "number") witness.event(one, one, true)
      else witness.gap(...one, true)
    }
    return witness.verdict(9)
  }
  const clean = { produced: 5, received: 5, lost: 0, repeated: 0, outOfOrder: 0, wrong: 0, gaps: 0, falseGaps: 0, declared: 0 }

  it("counts lost, repeated and late events, and true and false gaps", () => {
    assert.deepStrictEqual(judge(5, 6, 7, 8, 9), clean)
    assert.deepStrictEqual(judge(5, 6, 9), { ...clean, received: 3, lost: 2 })
    assert.deepStrictEqual(judge(5, 6, 7), { ...clean, received: 3, lost: 2 })
    assert.deepStrictEqual(judge(5, 6, 6, 7, 8, 9), { ...clean, repeated: 1 })
    assert.deepStrictEqual(judge(5, 7, 6, 8, 9), { ...clean, received: 4, lost: 1, outOfOrder: 1 })
    assert.deepStrictEqual(judge(5, [6, 8], 9), { ...clean, received: 2, gaps: 1, declared: 3 })
    assert.deepStrictEqual(judge(5, [6, 8], 8, 9), { ...clean, received: 2, gaps: 1, declared: 3, outOfOrder: 1 })
    assert.deepStrictEqual(judge(5, 6, 7, [5, 6], 8, 9), { ...clean, gaps: 1, falseGaps: 1 })
    assert.deepStrictEqual(judge(5, [7, 8], 9), { ...clean, received: 2, gaps: 1, falseGaps: 1, lost: 3 })
  })
})
