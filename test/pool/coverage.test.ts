// Tests the truth table of coverage: every disruption of a contribution, in every situation.
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { ConnectionError, Item } from "holdfast"
import { Contribution, makeTopic } from "../../src/internal/pool/coverage.ts"

type Name = "a" | "b" | "c"
type Step = `${Name} ${"data" | "gap" | "cease" | "leave" | "end" | "begin"}`

// A topic with contributions of three connections, and the reports to its listener.
const make = () => {
  const reported: Array<string> = []
  const topic = makeTopic<string>("topic", {
    data: () => undefined,
    gap: (reason) => reported.push(`gap: ${reason}`),
    lost: (why) => reported.push(`lost: ${why}`),
    end: () => reported.push("topic ended")
  })
  const contribution = () => new Contribution(topic, () => reported.push("end"))
  const contributions = { a: contribution(), b: contribution(), c: contribution() }
  const cause = new ConnectionError.InboxOverflow({ capacity: 1, maxBytes: 1, bound: "capacity" })
  const gap = Item.Gap({ epoch: 1, cause, downtime: Duration.zero, dropped: 1 })
  const acts = {
    data: (of: Contribution<string>) => {
      of.data(["x"])
    },
    gap: (of: Contribution<string>) => {
      of.gap(gap)
    },
    cease: (of: Contribution<string>) => {
      of.cease("ceased", "its updates have stopped")
    },
    leave: (of: Contribution<string>) => of.leave("left"),
    begin: (of: Contribution<string>) => {
      of.begin()
    },
    end: (of: Contribution<string>) => {
      of.end(Exit.void)
    }
  }
  const isName = (name: string): name is Name => name in contributions
  const isAct = (act: string): act is keyof typeof acts => act in acts
  // Plays the steps and returns the reports that they cause.
  const play = (...steps: ReadonlyArray<Step>) => {
    const before = reported.length
    for (const step of steps) {
      const [name = "", act = ""] = step.split(" ")
      if (isName(name) && isAct(act)) acts[act](contributions[name])
    }
    return reported.slice(before)
  }
  return { contributions, play, reported, overflowed: `gap: ${cause.message}` }
}

// The steps that lead to each situation of `a`.
const live: Record<string, ReadonlyArray<Step>> = {
  "another one has brought everything since its last data": ["a data", "b data", "a data"],
  "another one became live later": ["a data", "b data"],
  "no other one is live, and a gap was reported since its last data": ["a data", "a gap"],
  "no other one is live": ["a data"]
}
const notLive: Record<string, ReadonlyArray<Step>> = {
  "another one has brought everything": ["b data"],
  "another one became live later": ["c data", "b data", "c leave"],
  "no other one is live, and a gap was reported": ["a gap"],
  "no other one is live": [],
  "no other one is live since it ceased": ["a data", "a cease"],
  "no other one is live, and one ceased since a gap was reported": ["a data", "a cease", "a gap", "b cease"]
}

const lost = ["lost: the connection was lost"]
const stopped = ["lost: its updates have stopped"]
const ceased = ["gap: ceased"]
const left = ["gap: left"]
const overflowed = [make().overflowed]

// Each row: the disruption, its situations, and for each situation the reports at once and at the next data of `b`.
const cases: ReadonlyArray<readonly [string, Step, Record<string, ReadonlyArray<Step>>, ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<string>]>]> = [
  ["a gap of a live contribution", "a gap", live, [[[], []], [overflowed, []], [overflowed, []], [overflowed, []]]],
  ["a gap of a contribution that is not live", "a gap", notLive, [[[], []], [[], []], [[], []], [overflowed, []], [overflowed, []], [overflowed, []]]],
  ["the loss of a live contribution", "a cease", live, [[[], []], [ceased, []], [stopped, ceased], [stopped, ceased]]],
  ["the loss of a contribution that is not live", "a cease", notLive, [[[], []], [[], []], [[], ceased], [[], ceased], [[], ceased], [[], ceased]]],
  ["the end of a live contribution", "a leave", live, [[[], []], [[], []], [lost, left], [lost, left]]],
  ["the end of a contribution that is not live", "a leave", notLive, [[[], []], [[], []], [[], []], [[], []], [[], ceased], [[], ceased]]]
]

describe.each(cases)("%s", (_, disruption, situations, expected) => {
  it.each(Object.entries(situations).map(([situation, steps], i) => ({ situation, steps, expected: expected[i] })))(
    "when $situation",
    ({ expected, steps }) => {
      const { play } = make()
      play(...steps)
      assert.deepStrictEqual([play(disruption), play("b data")], expected)
    }
  )
})

describe("a topic", () => {
  it("has no gap in a connection that began again if another one has brought everything since its loss", () => {
    const { play } = make()
    play("b data", "b gap", "a cease", "a begin")
    assert.deepStrictEqual(play("a gap"), [])
  })

  it("reports nothing when its last contribution leaves", () => {
    const { play } = make()
    assert.deepStrictEqual(play("b leave", "c leave", "a data", "a leave"), [])
  })

  it("ends when its last contribution leaves it to others that have ended", () => {
    const { play } = make()
    assert.deepStrictEqual(play("a data", "b data", "c end", "b end", "a leave"), ["end", "end", "topic ended"])
  })

  it("does not end when its last contribution leaves it and none has ended", () => {
    const { play } = make()
    assert.deepStrictEqual(play("a data", "b leave", "c leave", "a leave"), [])
  })

  it("is left once by a contribution that ends, and not by one that has left before", () => {
    const { contributions, play, reported } = make()
    play("b leave")
    contributions.a.end(Exit.void)
    contributions.a.end(Exit.void)
    contributions.b.end(Exit.void)
    assert.deepStrictEqual(reported, ["end"])
    assert.deepStrictEqual([contributions.a.leave("again"), contributions.c.leave("at last")], [false, true])
  })
})
