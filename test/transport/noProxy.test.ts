import { assert, describe, it } from "@effect/vitest"
import { isExempt } from "../../src/internal/transport/noProxy.ts"

const table: ReadonlyArray<readonly [list: string, host: string, isExempt: boolean]> = [
  ["", "example.com", false],
  ["*", "example.com", true],
  ["example.com", "example.com", true],
  ["example.com", "EXAMPLE.com", true],
  ["EXAMPLE.com", "example.com.", true],
  ["example.com", "www.example.com", true],
  [".example.com", "www.example.com", true],
  ["*.example.com", "www.example.com", true],
  ["example.com", "notexample.com", false],
  ["example.com", "example.com.evil.test", false],
  ["example", "example.com", false],
  [".", "example.com", false],
  ["a.test,example.com", "example.com", true],
  ["a.test example.com", "example.com", true],
  ["a.test , example.com ,", "example.com", true],
  ["example.com:443", "example.com", true],
  ["example.com:8443", "example.com", false],
  ["127.0.0.1", "127.0.0.1", true],
  ["127.0.0.1:443", "127.0.0.1", true],
  ["127.0.0.1:80", "127.0.0.1", false],
  ["27.0.0.1", "127.0.0.1", false],
  ["0.0.1", "127.0.0.1", false],
  ["10.0.0.0/8", "10.1.2.3", true],
  ["10.0.0.0/8", "11.1.2.3", false],
  ["10.0.0.0/33", "10.1.2.3", false],
  ["10.0.0.0/x", "10.1.2.3", false],
  ["10.0.0.0/8", "example.com", false],
  ["::1", "[::1]", true],
  ["[::1]", "[::1]", true],
  ["[::1]:443", "[::1]", true],
  ["[::1]:80", "[::1]", false],
  ["0:0:0:0:0:0:0:1", "[::1]", true],
  ["fd00::/8", "[fd12::1]", true],
  ["fd00::/8", "[fe12::1]", false],
  ["10.0.0.0/8", "[::1]", false]
]

describe("NO_PROXY", () => {
  for (const [list, host, expected] of table) {
    it(`"${list}" ${expected ? "exempts" : "does not exempt"} ${host}`, () => {
      assert.strictEqual(isExempt(list, host, 443), expected)
    })
  }
})
