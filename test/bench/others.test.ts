import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { kinds, script } from "../../bench/others/faults.ts"
import { judge, median, recovery, sum } from "../../bench/others/judge.ts"

const truth = { from: 10, to: 19 }
const all = Array.from({ length: 10 }, (_, i) => i + 10)

describe("the judge", () => {
  it("finds no fault with all trades, once each and in order", () => {
    assert.deepStrictEqual(judge(truth, all), { expected: 10, lost: 0, declared: 0, repeated: 0, outOfOrder: 0 })
  })

  it("counts lost trades, and those of them that the client declared", () => {
    const ids = all.filter((id) => id < 12 || id > 15)
    assert.deepStrictEqual(
      judge(truth, ids, [{ from: 14, to: 17 }]),
      { expected: 10, lost: 4, declared: 2, repeated: 0, outOfOrder: 0 }
    )
  })

  it("counts repeated trades, and trades out of order", () => {
    assert.deepStrictEqual(
      judge(truth, [10, 11, 11, 13, 12, 14, 15, 16, 17, 18, 19, 10]),
      { expected: 10, lost: 0, declared: 0, repeated: 2, outOfOrder: 1 }
    )
  })

  it("ignores trades outside its window", () => {
    assert.deepStrictEqual(judge(truth, [8, 9, ...all, 20, 21, 9]), judge(truth, all))
  })

  it("adds up: trades read and trades lost are all trades of the window", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 5, max: 25 })), (ids) => {
      const { lost, outOfOrder, repeated } = judge(truth, ids)
      const inside = ids.filter((id) => id >= 10 && id <= 19)
      assert.strictEqual(inside.length - repeated + lost, 10)
      assert.isAtMost(outOfOrder, inside.length)
    }))
  })

  it("summarises verdicts and faults", () => {
    const verdict = judge(truth, [10, 12, 11])
    assert.deepStrictEqual(sum([verdict, verdict]), { expected: 20, lost: 14, declared: 0, repeated: 0, outOfOrder: 2 })
    const outcome = { kind: "RST", recovered: 100, help: "none", crashed: null } as const
    const outcomes = [
      outcome,
      { ...outcome, recovered: 300 },
      { ...outcome, recovered: null, help: "reset" },
      { ...outcome, recovered: null, help: "restart", crashed: "exit 1" },
      { ...outcome, kind: "FIN" }
    ] as const
    assert.deepStrictEqual(recovery("RST", outcomes), { kind: "RST", faults: 4, unnoticed: 1, crashes: 1, median: 200 })
    assert.strictEqual(median([]), null)
    assert.strictEqual(median([3, 1, 2]), 2)
  })
})

describe("the script", () => {
  it("is the same for the same seed, and has every kind of fault once", () => {
    assert.deepStrictEqual(script(7), script(7))
    assert.notDeepEqual(script(7).map(({ kind }) => kind.name), script(8).map(({ kind }) => kind.name))
    assert.deepStrictEqual(
      script(7).map(({ kind }) => kind.name).sort(),
      kinds.map(({ name }) => name).sort()
    )
  })
})
