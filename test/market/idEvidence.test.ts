// What evidence shows about events with old ids and newer times.
import { assert, describe, it } from "@effect/vitest"
import * as IdReset from "../../src/internal/feed/idReset.ts"

const minute = 60_000
const hour = 3_600_000

// The last known event happened at 1,000; those that are held at one minute and later.
const verdict = (evidence: Partial<IdReset.Evidence>) =>
  IdReset.verdict({ knownAt: 1_000, fetchedAt: undefined, storedAt: undefined, held: [], restAhead: 0, ...evidence })
const held = (ahead: number, times: ReadonlyArray<number> = [0, 300, 900]) => times.map((at) => ({ at: minute + at, storedAt: minute + at + ahead }))
const unstored = [{ at: minute, storedAt: undefined }]
// Known events that are said again, all at one time.
const again = (ahead: number) => [100, 500, 1_000].map((at, i) => ({ at: minute + i, storedAt: at + ahead }))

const cases: ReadonlyArray<readonly [string, Partial<IdReset.Evidence>, IdReset.Verdict]> = [
  ["REST has none of them", { held: unstored }, "Undecided"],
  ["REST has the known event only", { storedAt: 1_000, held: unstored }, "Repeats"],
  ["REST has the known event only, by another clock", { storedAt: 1_000 + hour, held: unstored }, "Repeats"],
  ["REST has what is held, and the known id no more", { held: held(0) }, "Reset"],
  ["REST has the one that is held, and the known id no more", { held: held(0, [0]) }, "Reset"],
  ["REST has what is held an hour later", { held: held(hour) }, "Reset"],
  ["REST has what is held an hour earlier", { held: held(-hour) }, "Reset"],
  ["REST has the one that is held at another time", { held: held(hour, [0]) }, "Undecided"],
  ["REST has the one that is held at that time by its known clock", { held: held(hour, [0]), restAhead: hour }, "Reset"],
  ["REST has other events under these ids, and not yet the known one", { held: again(0) }, "Undecided"],
  ["REST has other events under these ids, and the known one", { storedAt: 1_000, held: again(0) }, "Repeats"],
  ["REST has them all an hour later", { storedAt: 1_000 + hour, held: again(hour) }, "Repeats"],
  ["REST has them all an hour earlier", { storedAt: 1_000 - hour, held: again(-hour) }, "Repeats"],
  ["REST has another event under the known id, and what is held", { storedAt: 2 * minute, held: held(0) }, "Reset"],
  ["REST has another event under the known id, and what is held, an hour later", { storedAt: 2 * minute + hour, held: held(hour) }, "Reset"],
  ["REST has the event that it told before", { knownAt: undefined, fetchedAt: 1_000 + hour, storedAt: 1_000 + hour, held: held(hour) }, "Repeats"],
  ["REST has another event than it told before", { knownAt: undefined, fetchedAt: 1_000 + hour, storedAt: 2 * minute + hour, held: held(hour) }, "Reset"],
  ["the time of the known event is not known", { knownAt: undefined, storedAt: 1_000, held: held(0) }, "Repeats"]
]

describe("events with old ids and newer times", () => {
  for (const [when, evidence, expected] of cases) {
    it(`are ${expected} if ${when}`, () => {
      assert.strictEqual(verdict(evidence), expected)
    })
  }

  it("have times in microseconds too", () => {
    const micros = (at: number) => 1_700_000_000_000_000 + at * 1_000
    const each = [0, 300].map((at) => ({ at: micros(at), storedAt: micros(at + hour) }))
    assert.strictEqual(verdict({ knownAt: micros(0), held: each }), "Reset")
    assert.strictEqual(verdict({ knownAt: micros(0), storedAt: micros(900), held: each }), "Repeats")
  })

  const sights = (...all: ReadonlyArray<readonly [number, number]>) => all.map(([id, at]) => ({ id, at }))
  for (const [when, all, known, expected] of [
    ["few", sights([1, 1], [2, 2]), 0, "Undecided"],
    ["several, in order", sights([2, 2], [1, 1], [3, 3]), 0, "Reset"],
    ["several, in no order", sights([1, 3], [2, 2], [3, 1]), 0, "Undecided"],
    ["one, and known ids go on", sights([1, 1]), 1, "Repeats"],
    ["several, and one known id goes on", sights([1, 1], [2, 2], [3, 3]), 1, "Undecided"],
    ["several, and known ids go on", sights([1, 1], [2, 2], [3, 3]), 3, "Repeats"]
  ] as const) {
    it(`are ${expected} without REST if they are ${when}`, () => {
      assert.strictEqual(IdReset.alone(all, known), expected)
    })
  }
})
