// The pages of docs/ show the results that are recorded.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import type { Results } from "../../bench/others/table.ts"
import { toMarkdown } from "../../bench/others/table.ts"
import * as Page from "../../bench/page.ts"
import type { Result } from "../../bench/speed/harness.ts"
import * as Report from "../../bench/speed/report.ts"

const textOf = (path: string) => readFileSync(new URL(`../../bench/${path}`, import.meta.url), "utf8")

describe("the generated tables", () => {
  it("docs/benchmarks.md shows bench/speed/results.json", () => {
    const parse: (text: string) => { readonly full: ReadonlyArray<Result> } = JSON.parse
    const page = Page.read("benchmarks.md")
    assert.strictEqual(page, Page.insert(page, "bench", Report.table(parse(textOf("speed/results.json")).full)))
  })

  it("docs/comparison.md shows bench/others/results.json", () => {
    const parse: (text: string) => Results = JSON.parse
    const page = Page.read("comparison.md")
    assert.strictEqual(page, Page.insert(page, "others", toMarkdown(parse(textOf("others/results.json")))))
  })
})
