import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { found } from "./simulate/found.ts"
import { mutations } from "./mutate/mutations.ts"
import * as Simulation from "./simulate/Simulation.ts"

const holds = (simulated: Simulation.Simulated) => {
  const outcome = Simulation.run(simulated)
  if (outcome.violations.length > 0) throw new Error(Simulation.complaint(outcome))
}

describe("a bug that the simulation once found", () => {
  it.each(found)("is still fixed: $what", ({ simulated }) => {
    holds(simulated)
  })
})

describe("the simulation", () => {
  it("exercises what its plans are about", () => {
    const exercised = new Set(found.flatMap(({ simulated }) => simulated.level === "symbols" ? Simulation.run(simulated).exercised : []))
    for (const what of ["quiet", "a wrong name", "delisted, and ended", "ids begin anew", "an id that is none", "REST: shuffled"]) {
      assert.isTrue(exercised.has(what), what)
    }
    for (const until of ["resubscribed", "gone"]) assert.isTrue(exercised.has(`died young, and alive again: until ${until}`), until)
  })

  it("gives the same run for the same plan, to the last event", () => {
    const [simulated] = fc.sample(Simulation.feed, { numRuns: 1, seed: 7 })
    assert(simulated !== undefined)
    const outcome = Simulation.run(simulated)
    assert.isAbove(outcome.messages, 0)
    assert.deepStrictEqual(Simulation.run(simulated), outcome)
  })

  // A failure prints its seed, its path and the shrunk plan: main.ts in the folder simulate says how to replay it.
  it("finds no broken invariant of a connection", () => {
    fc.assert(fc.property(Simulation.connection, holds), { numRuns: 250, seed: 1 })
  }, 120_000)

  it("finds no broken invariant of a feed", () => {
    fc.assert(fc.property(Simulation.feed, holds), { numRuns: 150, seed: 1 })
  }, 120_000)

  it("finds no broken invariant of many symbols", () => {
    fc.assert(fc.property(Simulation.symbols, holds), { numRuns: 20, seed: 1 })
  }, 120_000)
})

describe("the deliberate bugs", () => {
  it("match the sources: the text of each occurs exactly once", () => {
    const mismatched = mutations.filter(({ file, from }) => {
      const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
      return source.split(from).length !== 2
    })
    assert.deepStrictEqual(mismatched, [])
  })
})
