// The truth table of what is told of a break: in every situation of the connection it happens to.
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { ConnectionError, Item } from "holdfast"
import { Contribution, makeTopic } from "../../src/internal/pool/coverage.ts"

type Name = "a" | "b" | "c"
type Step = `${Name} ${"data" | "gap" | "cease" | "leave" | "end"}`

// A topic on three connections, and what is told of it.
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
  const cause = new ConnectionError.InboxOverflow({ capacity: 1 })
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
    end: (of: Contribution<string>) => {
      of.end(Exit.void)
    }
  }
  const isName = (name: string): name is Name => name in contributions
  const isAct = (act: string): act is keyof typeof acts => act in acts
  // Gives back what is told at these steps.
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

// How it comes to each situation of `a`, and what is told then and, when `b` brings the topic next, after it.
const live: Record<string, ReadonlyArray<Step>> = {
  "another has brought everything since its last data": ["a data", "b data", "a data"],
  "another came to bring it later": ["a data", "b data"],
  "no other brings it, though a gap was told since its last data": ["a data", "a gap"],
  "no other brings it": ["a data"]
}
const notLive: Record<string, ReadonlyArray<Step>> = {
  "another has brought everything": ["b data"],
  "another came to bring it later": ["c data", "b data", "c leave"],
  "no other brings it, and a gap was told": ["a gap"],
  "no other brings it": [],
  "no other brings it since it ceased": ["a data", "a cease"],
  "no other brings it, and one ceased since a gap was told": ["a data", "a cease", "a gap", "b cease"]
}

const lost = ["lost: the connection was lost"]
const stopped = ["lost: its updates have stopped"]
const ceased = ["gap: ceased"]
const left = ["gap: left"]
const overflowed = [make().overflowed]

const cases: ReadonlyArray<readonly [string, Step, Record<string, ReadonlyArray<Step>>, ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<string>]>]> = [
  ["a gap in what a live connection brings", "a gap", live, [[[], []], [overflowed, []], [overflowed, []], [overflowed, []]]],
  ["a gap in what a connection is to bring", "a gap", notLive, [[[], []], [[], []], [[], []], [overflowed, []], [overflowed, []], [overflowed, []]]],
  ["the loss of a live connection", "a cease", live, [[[], []], [ceased, []], [stopped, ceased], [stopped, ceased]]],
  ["the loss of one that brings nothing", "a cease", notLive, [[[], []], [[], []], [[], ceased], [[], ceased], [[], ceased], [[], ceased]]],
  ["the end of a live connection", "a leave", live, [[[], []], [[], []], [lost, left], [lost, left]]],
  ["the end of one that brings nothing", "a leave", notLive, [[[], []], [[], []], [[], []], [[], []], [[], ceased], [[], ceased]]]
]

describe.each(cases)("%s", (_, happening, situations, expected) => {
  it.each(Object.entries(situations).map(([situation, steps], i) => ({ situation, steps, expected: expected[i] })))(
    "where $situation",
    ({ expected, steps }) => {
      const { play } = make()
      play(...steps)
      assert.deepStrictEqual([play(happening), play("b data")], expected)
    }
  )
})

describe("a topic", () => {
  it("says nothing of the last connection that leaves it", () => {
    const { play } = make()
    assert.deepStrictEqual(play("b leave", "c leave", "a data", "a leave"), [])
  })

  it("ends when the last connection leaves it for others that have ended", () => {
    const { play } = make()
    assert.deepStrictEqual(play("a data", "b data", "c end", "b end", "a leave"), ["end", "end", "topic ended"])
  })

  it("does not end when the last connection leaves it and none has ended", () => {
    const { play } = make()
    assert.deepStrictEqual(play("a data", "b leave", "c leave", "a leave"), [])
  })

  it("is left once by a connection that ends, and not by one that has left it", () => {
    const { contributions, play, reported } = make()
    play("b leave")
    contributions.a.end(Exit.void)
    contributions.a.end(Exit.void)
    contributions.b.end(Exit.void)
    assert.deepStrictEqual(reported, ["end"])
    assert.deepStrictEqual([contributions.a.leave("again"), contributions.c.leave("at last")], [false, true])
  })
})
