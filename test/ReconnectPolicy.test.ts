import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as fc from "fast-check"
import { ReconnectPolicy } from "holdfast"

const refused: ReconnectPolicy.Loss = { opened: false, openFor: Duration.zero, messages: 0, pongs: 0, isAccepted: true, floor: Option.none() }
const healthy: ReconnectPolicy.Loss = { opened: true, openFor: Duration.hours(1), messages: 1, pongs: 0, isAccepted: true, floor: Option.none() }

const policyOf = (options: ReconnectPolicy.Options) => Either.getOrThrow(ReconnectPolicy.make(options))

// The waits, in seconds, after these losses.
const waits = (options: ReconnectPolicy.Options, losses: Iterable<ReconnectPolicy.Loss>, seed: unknown = "seed") =>
  Schedule.run(Schedule.delays(ReconnectPolicy.schedule(policyOf(options))), 0, losses).pipe(
    Effect.map((delays) => Chunk.toReadonlyArray(Chunk.map(delays, Duration.toSeconds))),
    Effect.withRandom(Random.make(seed))
  )

const times = (count: number, loss = refused) => Arr.replicate(loss, count)

describe("the schedule", () => {
  it.effect("waits 1, 2, 4, 8, 16, 32, 60, 60 seconds without jitter", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits({ jitterFactor: 0 }, times(8)), [1, 2, 4, 8, 16, 32, 60, 60])
    }))

  it.effect("retries at once with an initial delay of zero, then waits from 1 second on", () =>
    Effect.gen(function*() {
      const atOnce = { initialDelay: 0, jitterFactor: 0, maxRetries: 5 }
      assert.deepStrictEqual(yield* waits(atOnce, times(5)), [0, 1, 2, 4, 8])
      assert.deepStrictEqual(yield* waits({ ...atOnce, maxDelay: "500 millis" }, times(3)), [0, 0.5, 0.5])
      assert.deepStrictEqual(yield* waits({ ...atOnce, jitterFactor: 1 }, [refused, healthy]), [0, 0])
      assert.deepStrictEqual(yield* waits(atOnce, [refused, refused, healthy, refused]), [0, 1, 0, 1])
    }))

  it.effect("keeps the dials of a zero delay apart, whatever proves a connection", () =>
    Effect.gen(function*() {
      const atOnce = { initialDelay: 0, jitterFactor: 0, stableAfter: 0 }
      const brief = { ...healthy, openFor: Duration.millis(300) }
      for (const provenBy of ["message", "open"] as const) {
        assert.deepStrictEqual(yield* waits({ ...atOnce, provenBy }, times(3, brief)), [0.7, 0.7, 0.7])
      }
      assert.deepStrictEqual(yield* waits(atOnce, [{ ...brief, openFor: Duration.seconds(1) }]), [0])
    }))

  it.effect("spreads ten thousand waits at the cap evenly over [45, 60] seconds", () =>
    Effect.gen(function*() {
      const all = yield* waits({ maxRetries: "unlimited" }, times(10_006))
      const atCap = all.slice(6)
      assert.strictEqual(atCap.length, 10_000)
      const counts = new Map<number, number>()
      for (const wait of atCap) {
        assert.isAtLeast(wait, 45)
        assert.isAtMost(wait, 60)
        counts.set(wait, (counts.get(wait) ?? 0) + 1)
      }
      assert.isAtMost(Math.max(...counts.values()), 100)
      // Each second of the range has about a fifteenth of the waits.
      for (let from = 45; from < 60; from++) {
        assert.approximately(atCap.filter((wait) => wait >= from && wait < from + 1).length, 667, 150)
      }
    }))

  it.effect("keeps every wait below the cap and within the jitter, for any policy", () =>
    Effect.promise(() =>
      fc.assert(fc.asyncProperty(
        // In whole milliseconds: durations are rounded to nanoseconds, and powers would multiply the error.
        fc.integer({ min: 1, max: 100_000 }).map((millis) => millis / 1_000),
        fc.integer({ min: 0, max: 1_000_000 }).map((millis) => millis / 1_000),
        fc.double({ min: 1, max: 10, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (initial, more, multiplier, jitter, seed) =>
          Effect.runPromise(Effect.gen(function*() {
            const max = initial + more
            const all = yield* waits({
              initialDelay: Duration.seconds(initial),
              maxDelay: Duration.seconds(max),
              backoffMultiplier: multiplier,
              jitterFactor: jitter,
              maxRetries: 30
            }, times(30), seed)
            all.forEach((wait, n) => {
              const nominal = Math.min(initial * multiplier ** n, max)
              assert.isAtLeast(wait, nominal * (1 - jitter) - 2e-6)
              assert.isAtMost(wait, Math.min(nominal * (1 + jitter), max) + 2e-6)
            })
          }))
      ))
    ))

  it.effect("stays at the cap for ever", () =>
    Effect.gen(function*() {
      const all = yield* waits({ jitterFactor: 0, maxRetries: "unlimited" }, times(3_000))
      assert.deepStrictEqual(new Set(all.slice(6)), new Set([60]))
    }))

  it.effect("ends after maxRetries waits", () =>
    Effect.gen(function*() {
      for (const maxRetries of [0, 1, 3]) {
        const all = yield* waits({ jitterFactor: 0, maxRetries }, times(10))
        // A schedule that has ended adds one delay of zero.
        assert.deepStrictEqual(all, [...[1, 2, 4].slice(0, maxRetries), 0])
      }
    }))

  it.effect("starts over after a proven connection, and only then", () =>
    Effect.gen(function*() {
      const after = (loss: ReconnectPolicy.Loss, options: ReconnectPolicy.Options = {}) =>
        waits({ jitterFactor: 0, maxRetries: 3, ...options }, [refused, refused, loss, refused, refused, refused])
      assert.deepStrictEqual(yield* after(healthy), [1, 2, 1, 2, 4, 0])
      assert.deepStrictEqual(yield* after({ ...healthy, messages: 0 }), [1, 2, 4, 0])
      assert.deepStrictEqual(yield* after({ ...healthy, messages: 0, pongs: 1 }), [1, 2, 1, 2, 4, 0])
      assert.deepStrictEqual(yield* after({ ...healthy, messages: 0, pongs: 1 }, { provenBy: "message" }), [1, 2, 4, 0])
      assert.deepStrictEqual(yield* after({ ...healthy, openFor: Duration.seconds(4) }), [1, 2, 4, 0])
      assert.deepStrictEqual(yield* after({ ...healthy, messages: 0 }, { provenBy: "open" }), [1, 2, 1, 2, 4, 0])
      assert.deepStrictEqual(yield* after(refused, { stableAfter: 0, provenBy: "open" }), [1, 2, 4, 0])
    }))

  it.effect("waits at least as long as the failure's floor, plus a random time", () =>
    Effect.gen(function*() {
      const asked = { ...refused, floor: Option.some(Duration.seconds(100)) }
      const all = yield* waits({ maxRetries: "unlimited" }, times(100, asked))
      for (const wait of all) {
        assert.isAtLeast(wait, 100)
        assert.isAtMost(wait, 125)
      }
      assert.isAbove(new Set(all).size, 90)
      assert.deepStrictEqual(yield* waits({ jitterFactor: 0 }, [{ ...refused, floor: Option.some(Duration.zero) }]), [1])
    }))
})

const sentences = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And"
    ? [...sentences(error.left), ...sentences(error.right)]
    : error._op === "InvalidData" ? [`${error.path.join(".")}: ${error.message}`] : []

describe("make", () => {
  it("fills in the defaults", () => {
    assert.deepStrictEqual(policyOf({}), ReconnectPolicy.defaults)
    assert.deepStrictEqual(policyOf({ maxRetries: 3 }), { ...ReconnectPolicy.defaults, maxRetries: 3 })
  })

  it("names every option that is not allowed", () => {
    const refusals = Either.flip(ReconnectPolicy.make({
      maxRetries: -1,
      initialDelay: Duration.infinity,
      backoffMultiplier: 0.5,
      jitterFactor: 2,
      stableAfter: Duration.infinity
    }))
    assert.deepStrictEqual(sentences(Either.getOrThrow(refusals)), [
      `maxRetries: Expected a whole number from 0, or "unlimited", but received "-1"`,
      `initialDelay: Expected a duration of zero or longer, in seconds or like "500 millis", but received "Infinity"`,
      `backoffMultiplier: Expected a number from 1, but received "0.5"`,
      `jitterFactor: Expected a number from 0 to 1, but received "2"`,
      `stableAfter: Expected a duration of zero or longer, in seconds or like "5 seconds", but received "Infinity"`,
      `initialDelay: The initial delay of Infinity is longer than the maximum of 1m`
    ])
    const order = Either.flip(ReconnectPolicy.make({ initialDelay: "10 seconds", maxDelay: "5 seconds" }))
    assert.deepStrictEqual(sentences(Either.getOrThrow(order)), [
      `maxDelay: The initial delay of 10s is longer than the maximum of 5s`
    ])
  })
})

describe("make, called by a program without types", () => {
  const isOptions = (options: unknown): options is ReconnectPolicy.Options => typeof options === "object"
  const refused = [
    [{ enabled: "no" }, `enabled: Expected true or false, but received "no"`],
    [{ jitterFactor: "0.5" }, `jitterFactor: Expected a number from 0 to 1, but received "0.5"`],
    [{ provenBy: "luck" }, `provenBy: Expected pong, message or open, but received "luck"`]
  ] as const
  for (const [given, sentence] of refused) {
    it(`refuses ${JSON.stringify(given)}`, () => {
      const options: unknown = given
      assert(isOptions(options))
      assert.deepStrictEqual(Either.mapLeft(ReconnectPolicy.make(options), sentences), Either.left([sentence]))
    })
  }
})

const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

describe("config", () => {
  it.effect("has the defaults for missing and blank values", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* environment({})(ReconnectPolicy.config), ReconnectPolicy.defaults)
      assert.deepStrictEqual(
        yield* environment({ WEBSOCKET_MAX_RETRIES: "", WEBSOCKET_MAX_DELAY: " " })(ReconnectPolicy.config),
        ReconnectPolicy.defaults
      )
    }))

  it.effect("reads every key", () =>
    Effect.gen(function*() {
      const policy = yield* environment({
        WEBSOCKET_RECONNECTION_ENABLED: "False",
        WEBSOCKET_MAX_RETRIES: "unlimited",
        WEBSOCKET_INITIAL_DELAY: "0.5",
        WEBSOCKET_MAX_DELAY: "2 minutes",
        WEBSOCKET_BACKOFF_MULTIPLIER: "1.5",
        WEBSOCKET_JITTER_FACTOR: "0",
        WEBSOCKET_STABLE_AFTER: "500 millis"
      })(ReconnectPolicy.config)
      assert.deepStrictEqual(policy, {
        enabled: false,
        maxRetries: "unlimited",
        initialDelay: Duration.millis(500),
        maxDelay: Duration.minutes(2),
        backoffMultiplier: 1.5,
        jitterFactor: 0,
        stableAfter: Duration.millis(500),
        provenBy: "pong"
      })
    }))

  const bad = {
    WEBSOCKET_RECONNECTION_ENABLED: ["maybe", "true or false"],
    WEBSOCKET_MAX_RETRIES: ["2.5", `a whole number from 0, or "unlimited"`],
    WEBSOCKET_INITIAL_DELAY: ["-1", `a duration of zero or longer, in seconds or like "500 millis"`],
    WEBSOCKET_MAX_DELAY: ["soon", `a duration longer than zero, in seconds or like "2 minutes"`],
    WEBSOCKET_BACKOFF_MULTIPLIER: ["0.5", "a number from 1"],
    WEBSOCKET_JITTER_FACTOR: ["2", "a number from 0 to 1"],
    WEBSOCKET_STABLE_AFTER: ["-5 seconds", `a duration of zero or longer, in seconds or like "5 seconds"`]
  } as const
  const badVariables = Object.fromEntries(Object.entries(bad).map(([key, [value]]) => [key, value]))
  const badSentences = Object.entries(bad).map(([key, [value, allowed]]) => `${key}: Expected ${allowed}, but received "${value}"`)

  it.effect("fails with every key that is not allowed, its value and the allowed values", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(environment(badVariables)(ReconnectPolicy.config))
      assert.deepStrictEqual(sentences(error), badSentences)
    }))

  it.effect("refuses durations above 100 years, which count as infinite", () =>
    Effect.gen(function*() {
      const tooLong = { WEBSOCKET_MAX_DELAY: "1e12", WEBSOCKET_STABLE_AFTER: "6000 weeks" }
      const error = yield* Effect.flip(environment(tooLong)(ReconnectPolicy.config))
      assert.deepStrictEqual(sentences(error), [
        `WEBSOCKET_MAX_DELAY: Expected a duration longer than zero, in seconds or like "2 minutes", but received "1e12"`,
        `WEBSOCKET_STABLE_AFTER: Expected a duration of zero or longer, in seconds or like "5 seconds", but received "6000 weeks"`
      ])
      assert.deepStrictEqual(sentences(Either.getOrThrow(Either.flip(ReconnectPolicy.make({ initialDelay: 1e300, maxDelay: 1e301 })))), [
        `initialDelay: Expected a duration of zero or longer, in seconds or like "500 millis", but received "Infinity"`,
        `maxDelay: Expected a duration longer than zero, in seconds or like "2 minutes", but received "Infinity"`
      ])
    }))

  it.effect("names a key once where an error is printed", () =>
    Effect.gen(function*() {
      const printed = (variables: Readonly<Record<string, string>>) =>
        Effect.map(Effect.flip(environment(variables)(ReconnectPolicy.config)), String)
      assert.strictEqual(
        yield* printed({ WEBSOCKET_JITTER_FACTOR: "2" }),
        `(Invalid data at WEBSOCKET_JITTER_FACTOR: "Expected a number from 0 to 1, but received "2"")`
      )
      assert.strictEqual(
        yield* printed({ WEBSOCKET_INITIAL_DELAY: "90" }),
        `(Invalid data at WEBSOCKET_INITIAL_DELAY: "The initial delay of 1m 30s is longer than the maximum of 1m")`
      )
    }))

  it.effect("fails if maxDelay is below initialDelay, and names a key that was set", () =>
    Effect.gen(function*() {
      const cases = [
        [{ WEBSOCKET_INITIAL_DELAY: "100" }, "WEBSOCKET_INITIAL_DELAY: The initial delay of 1m 40s is longer than the maximum of 1m"],
        [{ WEBSOCKET_MAX_DELAY: "0.5" }, "WEBSOCKET_MAX_DELAY: The initial delay of 1s is longer than the maximum of 500ms"],
        [
          { WEBSOCKET_INITIAL_DELAY: "90", WEBSOCKET_MAX_DELAY: "80" },
          "WEBSOCKET_MAX_DELAY: The initial delay of 1m 30s is longer than the maximum of 1m 20s"
        ]
      ] as const
      for (const [variables, sentence] of cases) {
        const error = yield* Effect.flip(environment(variables)(ReconnectPolicy.config))
        assert.deepStrictEqual(sentences(error), [sentence])
      }
    }))

  const warned = Effect.fnUntraced(function*(variables: Readonly<Record<string, string>>) {
    const warnings: Array<readonly [unknown, string]> = []
    const logger = Logger.make(({ annotations, message }) => {
      warnings.push([Option.getOrUndefined(HashMap.get(annotations, "key")), String(message)])
    })
    const policy = yield* environment(variables)(ReconnectPolicy.configOrDefault).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
    return { policy, warnings }
  })

  it.effect("configOrDefault warns once of each value that is not allowed, and uses its default", () =>
    Effect.gen(function*() {
      const { policy, warnings } = yield* warned(badVariables)
      assert.deepStrictEqual(policy, ReconnectPolicy.defaults)
      assert.deepStrictEqual(warnings.map(([key]) => key), Object.keys(bad))
      assert.deepStrictEqual(warnings.map(([, text]) => text.split(". Using ")[0]), badSentences)
    }))

  it.effect("configOrDefault raises maxDelay to initialDelay", () =>
    Effect.gen(function*() {
      const { policy, warnings } = yield* warned({ WEBSOCKET_INITIAL_DELAY: "90", WEBSOCKET_MAX_DELAY: "80" })
      assert.deepStrictEqual(policy.maxDelay, Duration.seconds(90))
      assert.deepStrictEqual(warnings, [[
        "WEBSOCKET_MAX_DELAY",
        `WEBSOCKET_MAX_DELAY: The initial delay of 1m 30s is longer than the maximum of 1m 20s. Using a maximum of 1m 30s instead.`
      ]])
      const alone = yield* warned({ WEBSOCKET_INITIAL_DELAY: "100" })
      assert.deepStrictEqual(alone.policy.maxDelay, Duration.seconds(100))
      assert.deepStrictEqual(alone.warnings, [[
        "WEBSOCKET_INITIAL_DELAY",
        "WEBSOCKET_INITIAL_DELAY: The initial delay of 1m 40s is longer than the maximum of 1m. Using a maximum of 1m 40s instead."
      ]])
    }))
})
