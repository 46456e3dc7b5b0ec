// Options of a feed that are out of range.
import { assert, describe, it } from "@effect/vitest"
import * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { answers } from "../utils/venue.ts"

type Options = Omit<BinanceFeed.Options, "venue">

const counts = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
const count = "a whole number from 1"
const nothing: ReadonlyArray<Duration.DurationInput> = [0, -1, Number.NaN]
const longer = "a duration longer than zero"

// A duration that is none is refused with another sentence.
const refused = (error: unknown, key: string, expected: string) => {
  assert(ConfigError.isConfigError(error) && error._op === "InvalidData", String(error))
  assert.strictEqual(error.path.join("."), key)
  assert.match(error.message, new RegExp(`^Expected (?:${expected}|a duration, such as "20 seconds"), but received "`))
}

const open = (options: Options, venue: Venue.Venue = Venue.spot) =>
  Effect.flip(BinanceFeed.make({ venue, ...options })).pipe(
    Effect.scoped,
    Effect.provide(TestTransport.layer([])),
    Effect.provide(answers(() => []))
  )

describe("a feed refuses what is out of range", () => {
  const options: ReadonlyArray<readonly [key: string, expected: string, options: ReadonlyArray<Options>]> = [
    ["redundancy", count, counts.map((redundancy) => ({ redundancy }))],
    ["streamsPerConnection", count, counts.map((streamsPerConnection) => ({ streamsPerConnection }))],
    ["buffer", count, counts.map((buffer) => ({ buffer }))],
    ["repairLimit", count, counts.map((repairLimit) => ({ repairLimit }))],
    ["maxAge", longer, nothing.map((maxAge) => ({ maxAge }))],
    ["renewalTimeout", longer, nothing.map((renewalTimeout) => ({ renewalTimeout }))],
    ["grace", "a duration of zero or longer", [-1, Number.NaN, Number.POSITIVE_INFINITY].map((grace) => ({ grace }))],
    ["timeout", longer, nothing.map((timeout) => ({ rest: { timeout } }))],
    ["giveUpAfter", longer, [-1, Number.NaN].map((giveUpAfter) => ({ rest: { giveUpAfter } }))],
    ["pingInterval", longer, nothing.map((pingInterval) => ({ connection: { pingInterval } }))]
  ]
  for (const [key, expected, wrong] of options) {
    it.effect(`as an option: ${key}`, () =>
      Effect.forEach(wrong, (each) => Effect.map(open(each), (error) => {
        refused(error, key, expected)
      })))
  }

  const fields: ReadonlyArray<readonly [key: string, expected: string, venues: ReadonlyArray<Partial<Venue.Venue>>]> = [
    ["venue.limits.topicsPerConnection", count, counts.map((streamsPerConnection) => ({ streamsPerConnection }))],
    ["protocol.pace.limit", "a number from 1", [Number.NaN].map((messagesPerSecond) => ({ messagesPerSecond }))],
    ["venue.weightPerMinute", count, counts.map((weightPerMinute) => ({ weightPerMinute }))]
  ]
  for (const [key, expected, wrong] of fields) {
    it.effect(`as a field of the venue: ${key}`, () =>
      Effect.forEach(wrong, (each) => Effect.map(open({}, { ...Venue.spot, ...each }), (error) => {
        refused(error, key, expected)
      })))
  }
})
