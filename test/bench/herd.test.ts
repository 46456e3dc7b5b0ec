import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { ReconnectPolicy } from "holdfast"
import type { Herd } from "../../bench/herd/model.ts"
import { run, summarise } from "../../bench/herd/model.ts"
import { plot } from "../../bench/herd/plot.ts"
import { lost, policies, refused } from "../../bench/herd/policies.ts"

const herd: Herd = { clients: 100, seed: 1, server: { downSeconds: 180, acceptsPerSecond: 10 }, untilSeconds: 7_380 }

const outcomeOf = (name: string, of = herd) => {
  const policy = policies.find((policy) => policy.name === name)
  assert(policy !== undefined)
  return run(policy.wait, lost, refused, of)
}

describe("a herd", () => {
  for (const { name } of policies) {
    it(`is the same for the same seed, and all clients come back: ${name}`, () => {
      const outcome = outcomeOf(name)
      assert.deepStrictEqual(outcome, outcomeOf(name))
      assert.strictEqual(outcome.back.at(-1), herd.clients)
    })
  }

  it("differs for a different seed, with jitter", () => {
    assert.notDeepEqual(outcomeOf("Holdfast"), outcomeOf("Holdfast", { ...herd, seed: 2 }))
    assert.deepStrictEqual(outcomeOf("no jitter"), outcomeOf("no jitter", { ...herd, seed: 2 }))
  })

  it("stays together without jitter: each wave has all clients that are not back yet", () => {
    const { back, dials } = outcomeOf("no jitter")
    dials.forEach((count, second) => {
      assert.include([0, herd.clients - (back[second - 1] ?? 0)], count)
    })
    // Waits of 1, 2, 4, 8, 16, 32 and then always 60 seconds.
    const waves = dials.flatMap((count, second) => count > 0 ? [second] : [])
    assert.deepStrictEqual(waves.slice(0, 8), [1, 3, 7, 15, 31, 63, 123, 183])
  })

  it("comes back only after the downtime, and no faster than the server accepts", () => {
    for (const { name } of policies) {
      const { back } = outcomeOf(name)
      back.forEach((count, second) => {
        const accepted = count - (back[second - 1] ?? 0)
        assert.isAtMost(accepted, second < herd.server.downSeconds ? 0 : herd.server.acceptsPerSecond)
      })
    }
  })

  it("spreads out with jitter that the cap does not remove", () => {
    const busiest = (name: string) => summarise(outcomeOf(name), herd).peakOnceBack
    assert.strictEqual(busiest("no jitter"), herd.clients)
    assert.isBelow(busiest("Holdfast"), herd.clients / 5)
  })

  it.effect("dials at the times of the real schedule", () =>
    Effect.gen(function*() {
      const policy = { ...ReconnectPolicy.defaults, jitterFactor: 0 }
      const single = { ...herd, clients: 1 }
      const { dials } = run(ReconnectPolicy.schedule(policy), lost, refused, single)
      const waits = yield* Schedule.run(
        Schedule.delays(ReconnectPolicy.schedule(policy)),
        0,
        Array.from({ length: 8 }, () => refused)
      )
      const at = [...waits].map(Duration.toSeconds).reduce<Array<number>>((all, wait) => [...all, (all.at(-1) ?? 0) + wait], [])
      assert.deepStrictEqual(dials.flatMap((count, second) => count > 0 ? [second] : []), at)
    }))
})

describe("the plot", () => {
  it("has a panel for each policy, with its summary", () => {
    const outcome = outcomeOf("Holdfast")
    const summary = summarise(outcome, herd)
    const svg = plot([{ name: "a < b", formula: "formula", dials: outcome.dials, summary }], herd, 480)
    assert.include(svg, "a &lt; b")
    assert.include(svg, `99 % back after ${String(summary.mostBackAfter)} s`)
    assert.notInclude(svg, "NaN")
  })
})
