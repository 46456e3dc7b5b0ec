// An adapter is small and imports only public modules.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const folder = new URL("./", import.meta.url)
const sourceOf = (name: string) => readFileSync(new URL(name, folder), "utf8")
const importsOf = (name: string) => [...sourceOf(name).matchAll(/\b(?:from|import) ?\(?"([^"]+)"/g)].map(([, specifier = ""]) => specifier)

/** A module of the adapter, and the modules of the adapter that it imports. */
const modulesOf = (name: string, known: ReadonlySet<string> = new Set()): ReadonlySet<string> =>
  known.has(name)
    ? known
    : importsOf(name).filter((specifier) => specifier.startsWith("./"))
      .reduce<ReadonlySet<string>>((all, specifier) => modulesOf(specifier, all), new Set([...known, name]))

const modules = [...modulesOf("./Meridian.ts")]

describe("the adapter of Meridian", () => {
  it("has at most 400 lines", () => {
    assert.isAbove(modules.length, 1)
    assert.isAtMost(modules.flatMap((name) => sourceOf(name).trimEnd().split("\n")).length, 400)
  })

  it("is one folder and imports only public modules", () => {
    const foreign = modules.flatMap(importsOf).filter((specifier) => !modules.includes(specifier))
    assert.include(foreign, "holdfast/market")
    for (const specifier of foreign) assert.match(specifier, /^(holdfast|holdfast\/market|effect\/\w+|@effect\/platform\/\w+)$/)
    for (const name of modules) assert.match(name, /^\.\/\w+\.ts$/)
  })

  it("has the code that the guide shows", () => {
    const guide = readFileSync(new URL("../../../docs/adding-a-venue.md", import.meta.url), "utf8")
    const shown = [...guide.matchAll(/^```ts adapter\n(?:import .*\n)*\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code)
    assert.strictEqual(shown.length, 3)
    const sources = modules.map(sourceOf)
    for (const code of shown) assert.isTrue(sources.some((source) => source.includes(code)), code)
  })
})
