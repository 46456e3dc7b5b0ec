import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Token from "../../src/internal/observe/token.ts"

describe("the cookie of a token", () => {
  const token = Token.make(Redacted.make("c0ffee-c0ffee-c0ffee"))
  const signed = token.sign(1_000)

  it("is good for twelve hours, and for this token only", () => {
    assert.isTrue(token.isSigned(signed, 1_000))
    assert.isTrue(token.isSigned(signed, 1_000 + Token.sessionLasts - 1))
    assert.isFalse(token.isSigned(signed, 1_000 + Token.sessionLasts))
    assert.isFalse(Token.make(Redacted.make("another-token-of-mine")).isSigned(signed, 1_000))
  })
})
