import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { Json } from "holdfast/market"

const bytes = new TextEncoder()

const reasonOf = (message: string | Uint8Array) => Either.match(Json.parse(message), {
  onLeft: ({ _tag, reason }) => `${_tag}: ${reason}`,
  onRight: () => "parsed"
})

describe("Json.parse", () => {
  it("parses text and bytes", () => {
    for (const message of [`{"a":["日本"]}`, bytes.encode(`{"a":["日本"]}`)]) {
      assert.deepStrictEqual(Json.parse(message), Either.right({ a: ["日本"] }))
    }
  })

  it("rejects messages that are not JSON, not UTF-8 or nested too deeply, and keeps their beginning", () => {
    const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`
    assert.deepStrictEqual(
      ["{", bytes.encode("{"), new Uint8Array([0x22, 0xff, 0x22]), deep].map(reasonOf),
      ["Invalid: it is not JSON", "Invalid: it is not JSON", "Invalid: it is not UTF-8", "Invalid: it is nested too deeply"]
    )
    assert.strictEqual(Json.invalid("x".repeat(1_000), "it is too long").excerpt, "x".repeat(120))
  })
})
