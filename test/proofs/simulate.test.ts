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

describe("what the simulation once found", () => {
  it.each(found)("does not happen: $what", ({ simulated }) => {
    holds(simulated)
  })
})

describe("the simulation", () => {
  it("is the same run for the same plan, to the last event", () => {
    const [simulated] = fc.sample(Simulation.feed, { numRuns: 1, seed: 7 })
    assert(simulated !== undefined)
    const outcome = Simulation.run(simulated)
    assert.isAbove(outcome.frames, 0)
    assert.deepStrictEqual(Simulation.run(simulated), outcome)
  })

  // A failure prints its seed, its path and the shrunk plan: see bench/simulate.ts for how to replay it.
  it("breaks no invariant of a connection, whatever is done to it", () => {
    fc.assert(fc.property(Simulation.connection, holds), { numRuns: 250, seed: 1 })
  }, 120_000)

  it("breaks no invariant of a feed, whatever is done to it", () => {
    fc.assert(fc.property(Simulation.feed, holds), { numRuns: 150, seed: 1 })
  }, 120_000)
})

describe("the deliberate bugs", () => {
  it("follow the sources: each can still be made, in one place", () => {
    const elsewhere = mutations.filter(({ file, from }) => {
      const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
      return source.split(from).length !== 2
    })
    assert.deepStrictEqual(elsewhere, [])
  })
})
